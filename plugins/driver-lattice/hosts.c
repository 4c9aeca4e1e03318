/* SPDX-License-Identifier: Apache-2.0 */
#include "hosts.h"

#include "../common/xmem.h"
#include "configs.h"
#include "linkset.h"
#include "marks.h"
#include "proto.h"
#include "text.h"
#include "update.h"

#define READS_AT_MOST   3u /* of one inventory while events keep coming */
#define RETRIES_AT_MOST 6u
#define FORGET_AFTER_NS (900 * NS_PER_S)
#define RACE_NS         (100 * NS_PER_MS)
#define PROBE_NS        (1500 * NS_PER_MS)
#define LATE_S          10 /* a heartbeat may come that late and is still of the same life */

struct host *host_find(const struct lattice *l, trl_str id) {
    return names_find(&l->hosts, id);
}

static void read_inventory(struct poll *p);

struct host *host_ensure(struct lattice *l, trl_str id) {
    struct host *h = host_find(l, id);
    if (!h) {
        h = x_zalloc(sizeof(*h));
        h->l = l;
        h->id = text_dup(id);
        h->seen_ns = now_ns(l->d);
        poll_init(&h->poll, &l->host_lane, read_inventory);
        names_put(&l->hosts, id, h);
    }
    return h;
}

static void host_free(struct host *h) {
    call_cancel(&h->call);
    wake_stop(&h->retry);
    poll_finish(&h->poll);
    marks_clear(h);
    names_finish(&h->marks);
    names_finish(&h->failing);
    free(h->id);
    free(h->name);
    free(h->version);
    free(h);
}

void host_forget(struct host *h) {
    struct lattice *l = h->l;
    names_take(&l->hosts, host_id(h));
    l->n_known_hosts -= h->known ? 1 : 0;
    updates_fail(h, "the host stopped");
    call_cancel(&h->call);
    poll_close(&h->poll, TRL_E_NORESPONDER, "the host stopped"); /* whoever waits must hear of it */
    host_free(h);
}

void hosts_destroy(struct lattice *l) {
    for (size_t i = 0; i < l->hosts.cap; i++) {
        if (l->hosts.slots[i].key) {
            host_free(l->hosts.slots[i].value);
        }
    }
    names_finish(&l->hosts);
}

void hosts_prune(struct lattice *l) {
    int64_t limit = now_ns(l->d) - FORGET_AFTER_NS;
    for (size_t i = 0; i < l->hosts.cap; i++) {
        struct host *h = l->hosts.slots[i].key ? l->hosts.slots[i].value : NULL;
        if (h && h->seen_ns < limit && !h->updates && !poll_busy(&h->poll)) {
            host_forget(h);
            i = (size_t)-1; /* the table has moved */
        }
    }
}

static void send_report(struct host *h, uint32_t flags, const struct inventory *inv,
                        const trl_running *entries, size_t n) {
    struct trl_inst *d = h->l->d;
    trl_report r = {.struct_size = sizeof(r), .flags = flags, .seen_ns = now_ns(d)};
    r.lattice = lattice_id(h->l);
    r.host_id = host_id(h);
    r.host_name = trl_cstr(h->name);
    r.version = trl_cstr(h->version);
    r.uptime_s = h->uptime_s;
    if (inv && (flags & TRL_REPORT_LABELS)) {
        r.labels = inv->labels;
        r.n_labels = (uint32_t)inv->n_labels;
    }
    r.entry_stride = sizeof(trl_running);
    r.entries = entries;
    r.n_entries = (uint32_t)n;
    r.traceparent = d->told_by;
    d->observe->report(d->host->ctx, &r);
}

static void keep_text(char **to, trl_str s) {
    if (s.len && (!*to || !trl_str_is(s, *to))) {
        free(*to);
        *to = text_dup(s);
    }
}

/* A label that no request can set tells agents from hosts of wasmCloud. */
static void see_labels(struct host *h, const struct inventory *inv) {
    h->agent = 0;
    for (size_t i = 0; i < inv->n_labels; i++) {
        h->agent |= trl_str_is(inv->labels[i].key, AGENT_LABEL);
    }
}

/* The first host that is heard of in full makes links and configs readable. */
static void now_known(struct host *h) {
    struct lattice *l = h->l;
    h->known = 1;
    l->n_known_hosts++;
    if (!l->links.known) {
        linksync_ask(l, NULL, NULL);
    }
    configs_read_unknown(l);
}

static void began_anew(struct host *h, const char *why) {
    marks_clear(h);
    names_finish(&h->failing);
    updates_fail(h, why);
}

void host_inventory(struct host *h, struct inventory *inv, uint32_t flags) {
    size_t n_real = trials_apart(inv);
    h->seen_ns = now_ns(h->l->d);
    int64_t began_s = h->seen_ns / NS_PER_S - (int64_t)inv->uptime_s;
    int older = h->known && inv->uptime_s + 2 < h->uptime_s;
    if (older && (flags & TRL_REPORT_BEAT) && began_s <= h->began_s + LATE_S) {
        host_ask(h, NULL, NULL); /* perhaps an older heartbeat that came late: its answer tells */
        return;
    }
    if (older) {
        flags |= TRL_REPORT_STARTED;
        began_anew(h, "the host was restarted");
    }
    h->began_s = began_s;
    h->uptime_s = inv->uptime_s;
    keep_text(&h->name, inv->name);
    keep_text(&h->version, inv->version);
    h->fails = 0;
    see_labels(h, inv);
    wake_stop(&h->retry);
    marks_prune(h);
    send_report(h, flags | TRL_REPORT_FULL | TRL_REPORT_LABELS, inv, inv->entries, n_real);
    updates_see(h, inv);
    trials_clean(h, inv, n_real);
    if (!h->known) {
        now_known(h);
    }
    if ((flags & TRL_REPORT_BEAT) && h->moved_ns && h->seen_ns - h->moved_ns < RACE_NS) {
        host_ask(h, NULL, NULL); /* it may have been made before the event that came just now */
    }
}

void host_began(struct host *h, const struct inventory *inv) {
    began_anew(h, "the host was restarted");
    h->uptime_s = 0;
    h->seen_ns = now_ns(h->l->d);
    h->began_s = h->seen_ns / NS_PER_S;
    see_labels(h, inv);
    keep_text(&h->name, inv->name);
    keep_text(&h->version, inv->version);
    send_report(h, TRL_REPORT_STARTED | TRL_REPORT_LABELS, inv, NULL, 0);
}

void host_delta(struct host *h, const trl_running *entry) {
    h->seen_ns = now_ns(h->l->d);
    send_report(h, 0, NULL, entry, 1);
}

void host_labels(struct host *h, const struct inventory *inv) {
    h->seen_ns = now_ns(h->l->d);
    see_labels(h, inv);
    send_report(h, TRL_REPORT_LABELS, inv, NULL, 0);
}

void host_moved(struct host *h) {
    h->moves++;
    h->moved_ns = now_ns(h->l->d);
}

static void on_retry(void *arg) {
    struct host *h = arg;
    host_ask(h, NULL, NULL);
}

static void read_failed(struct host *h, trl_status st, const char *text) {
    struct trl_inst *d = h->l->d;
    int unknown = !h->known;
    poll_settle(&h->poll, st, text, NULL);
    if (st == TRL_E_NORESPONDER) {
        if (unknown && !poll_busy(&h->poll) && !h->updates) {
            host_forget(h); /* it was an echo of a host that is gone */
        }
    } else if (h->fails < RETRIES_AT_MOST && !poll_busy(&h->poll)) {
        wake_start(&h->retry, &d->desk, NS_PER_S << h->fails++, on_retry, h);
    }
}

static void on_inventory(void *arg, const struct answer *a) {
    struct host *h = arg;
    struct trl_inst *d = h->l->d;
    h->call = NULL;
    if (!answer_ok(a) || decode_inventory(a->b_response, &d->inv) < 0) {
        char text[256];
        struct answer bad = *a;
        if (answer_ok(a)) {
            driver_garbage(d, lattice_id(h->l), "inventory");
            bad.st = TRL_E_INTERNAL;
        }
        answer_text(&bad, h->l, "host.get", text, sizeof(text));
        read_failed(h, answer_status(&bad), text);
        return;
    }
    if (h->moves != h->moves_at_read && ++h->tries < READS_AT_MOST) {
        poll_repeat(&h->poll); /* something happened meanwhile: this may be older */
        return;
    }
    h->tries = 0;
    host_inventory(h, &d->inv, 0);
    poll_settle(&h->poll, TRL_OK, NULL, &d->inv);
}

static void read_inventory(struct poll *p) {
    struct host *h = (struct host *)(void *)((char *)p - offsetof(struct host, poll));
    h->moves_at_read = h->moves;
    h->call = call_start(h->l, proto_op("host.get", host_id(h)), NULL, h->l->d->set.timeout_ns,
                         on_inventory, h);
}

void host_ask(struct host *h, poll_fn fn, void *arg) {
    wake_stop(&h->retry);
    poll_ask(&h->poll, fn, arg);
}

struct probe {
    struct flow flow;
    struct ticket ticket;
    struct lattice *l;
    char *host_id; /* owned */
};

static void probe_destroy(struct flow *f) {
    struct probe *p = (struct probe *)(void *)f;
    free(p->host_id);
    free(p);
}

static void on_probe(void *arg, const struct answer *a) {
    struct probe *p = arg;
    struct trl_inst *d = p->l->d;
    struct answer seen = *a;
    if (answer_ok(a) && decode_inventory(a->b_response, &d->inv) < 0) {
        driver_garbage(d, lattice_id(p->l), "inventory");
        seen.st = TRL_E_INTERNAL;
    }
    if (answer_ok(&seen)) {
        host_inventory(host_ensure(p->l, trl_cstr(p->host_id)), &d->inv, 0);
        ticket_ok(&p->ticket);
    } else {
        char text[256];
        answer_text(&seen, p->l, "host.get", text, sizeof(text));
        ticket_fail(&p->ticket, answer_status(&seen), "%s", text);
    }
    flow_leave(&p->flow);
    probe_destroy(&p->flow);
}

void host_probe(struct lattice *l, trl_op *op, trl_str id) {
    struct probe *p = x_zalloc(sizeof(*p));
    flow_join(l->d, &p->flow, probe_destroy);
    ticket_open(&p->ticket, &l->d->desk, op);
    p->l = l;
    p->host_id = text_dup(id);
    call_start(l, proto_op("host.get", id), NULL, PROBE_NS, on_probe, p);
}
