/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is alive. A heartbeat 20 % late makes a host suspect and is followed by probes; two of them
 * without a responder mean it is gone. A host that times out is busy or frozen: it stays suspect
 * until the host time-out. Nobody is given up while our own link has not been up for a full
 * interval, nor when more than half of a lattice falls silent at once: then the silence is probably
 * ours.
 */
#include "engine/engine_priv.h"
#include "plug/op.h"
#include "plug/watch.h"

#define DEFAULT_INTERVAL_NS (30 * NS_PER_S)
#define PROBE_NS            (5 * NS_PER_S)
#define MAX_PROBES          64u
#define WARM_NS             (2 * NS_PER_S) /* a host back from silence works off what it missed */

struct probe {
    struct engine *e;
    trl_op *op;
    char *host;
};

static int64_t interval(const struct seen_host *h) {
    return h->interval_ns ? h->interval_ns : DEFAULT_INTERVAL_NS;
}

static void probe_free(struct probe *p) {
    struct engine *e = p->e;
    for (uint32_t i = 0; i < e->probes.n; i++) {
        if (e->probes.at[i] == p) {
            e->probes.at[i] = e->probes.at[--e->probes.n];
            break;
        }
    }
    mem_free(p->host);
    mem_free(p);
}

static bool may_give_up(const struct engine *e, const struct seen_host *h) {
    int64_t now = engine_now(e);
    return e->link_up && now >= e->mass_until_ns &&
           (e->up_since_ns == 0 || now - e->up_since_ns >= interval(h));
}

/* After a look at the host, what was accepted long ago and is still not there has failed. */
static void fail_unseen(struct engine *e, uint32_t slot) {
    for (uint32_t k = e->l.items.n; k-- > 0;) {
        struct ledger_item *i = e->l.items.at[k].value;
        if (i->inflight && i->host == slot + 1 && i->deadline_ns == INT64_MAX && i->acked) {
            dispatch_fail(e, i, STR("the host accepted the request and never carried it out"));
        }
    }
}

static void on_probed(void *arg, trl_status st, trl_bytes result, const trl_err *err) {
    struct probe *p = arg;
    struct engine *e = p->e;
    (void)result;
    (void)err;
    uint32_t slot = observed_find_host(&e->o, str_c(p->host));
    if (slot != OBS_NONE) {
        struct seen_host *h = &e->o.hosts.at[slot];
        fail_unseen(e, slot);
        if (st == TRL_OK) {
            h->probes = 0; /* its report has cleared suspicion */
            if (h->warming && engine_now(e) - h->warm_ns >= WARM_NS) {
                h->warming = false;
                engine_dirty_all(e);
            }
        } else {
            observed_set_state(&e->o, slot, true, h->stale);
            h->probes += st == TRL_E_NORESPONDER;
        }
        if (h->probes >= 2 && may_give_up(e, h)) {
            engine_host_gone(e, h->id, TRL_GONE_UNREACHABLE);
        }
    }
    probe_free(p);
}

bool hostlife_probe(struct engine *e, uint32_t slot) {
    if (slot >= e->o.hosts.n || !e->o.hosts.at[slot].used || !e->link_up) {
        return false;
    }
    str id = e->o.hosts.at[slot].id;
    for (uint32_t i = 0; i < e->probes.n; i++) {
        if (str_is(id, e->probes.at[i]->host)) {
            return true;
        }
    }
    if (e->probes.n >= MAX_PROBES) {
        return false; /* the next tick comes back to it */
    }
    struct probe *p = mem_zalloc(sizeof(*p));
    p->e = e;
    p->host = str_dup(id);
    *VEC_ADD(&e->probes) = p;
    struct op_handler h = {.on_done = on_probed, .arg = p};
    p->op = op_begin(e->env.driver, PROBE_NS, &h);
    struct watch w;
    watch_enter(e->env.driver, &w);
    e->driver->probe(plug_inst_raw(e->env.driver), p->op, str_c(e->id), id);
    watch_leave(e->env.driver, &w, "probe");
    return true;
}

static void check_host(struct engine *e, uint32_t slot, int64_t now, uint32_t *fell_silent) {
    struct seen_host *h = &e->o.hosts.at[slot];
    int64_t silent = now - h->seen_ns;
    if (silent <= interval(h) * 12 / 10 && !h->suspect && !h->stale) {
        if (h->warming && now - h->warm_ns >= WARM_NS) {
            hostlife_probe(e, slot);
        }
        return;
    }
    if (!h->suspect) {
        observed_set_state(&e->o, slot, true, h->stale);
        (*fell_silent)++;
    }
    if (h->probes < 2) {
        hostlife_probe(e, slot);
    } else if (may_give_up(e, h)) {
        engine_host_gone(e, h->id, TRL_GONE_UNREACHABLE);
        return;
    }
    if (silent > e->env.host_timeout_ns && silent > interval(h) * 2 && may_give_up(e, h)) {
        engine_host_gone(e, h->id, TRL_GONE_UNREACHABLE);
    }
}

void hostlife_tick(struct engine *e) {
    if (!e->link_up || !e->synced) {
        return;
    }
    int64_t now = engine_now(e);
    uint32_t fell_silent = 0, before = e->o.order.n;
    for (uint32_t i = e->o.order.n; i-- > 0;) {
        check_host(e, e->o.order.at[i], now, &fell_silent);
    }
    if (before > 1 && fell_silent * 2 > before) {
        e->mass_until_ns = now + DEFAULT_INTERVAL_NS;
    }
}

void hostlife_cancel(struct engine *e) {
    while (e->probes.n) {
        struct probe *p = e->probes.at[e->probes.n - 1];
        op_forget(p->op);
        probe_free(p);
    }
    VEC_FREE(&e->probes);
}
