/* SPDX-License-Identifier: Apache-2.0 */
#include "events.h"

#include "configs.h"
#include "hosts.h"
#include "links.h"
#include "marks.h"
#include "text.h"
#include "update.h"

#define STRANGERS_MAX 10000u

struct event {
    struct lattice *l;
    trl_str source; /* the host that says it: data.host_id is whatever a request said */
    const struct jnode *b_data;
};

/* All return 0, or -1: garbage. */

static int on_heartbeat(const struct event *e) {
    struct trl_inst *d = e->l->d;
    if (decode_inventory(e->b_data, &d->inv) < 0) {
        return -1;
    }
    host_inventory(host_ensure(e->l, e->source), &d->inv, TRL_REPORT_BEAT);
    return 0;
}

static int on_started(const struct event *e) {
    struct inventory *inv = &e->l->d->inv;
    if (decode_labels(e->b_data, inv) < 0) {
        return -1;
    }
    struct host *h = host_ensure(e->l, e->source);
    inv->name = decode_str(e->b_data, "friendly_name");
    inv->version = decode_str(e->b_data, "version");
    host_began(h, inv);
    host_moved(h);
    host_ask(h, NULL, NULL);
    return 0;
}

static int on_stopped(const struct event *e) {
    struct trl_inst *d = e->l->d;
    struct host *h = host_find(e->l, e->source);
    d->observe->host_gone(d->host->ctx, lattice_id(e->l), e->source, TRL_GONE_STOPPED);
    if (h) {
        host_forget(h);
    }
    return 0;
}

static int on_labels(const struct event *e) {
    struct inventory *inv = &e->l->d->inv;
    if (!jnode_is(jnode_get(e->b_data, "labels"), J_OBJECT) || decode_labels(e->b_data, inv) < 0) {
        return -1;
    }
    struct host *h = host_ensure(e->l, e->source);
    host_moved(h);
    if (h->known) {
        host_labels(h, inv);
    } else {
        host_ask(h, NULL, NULL);
    }
    return 0;
}

/* An event is told as a delta where it can be believed; else the host is asked. */
static int on_scaled(const struct event *e) {
    struct inventory *inv = &e->l->d->inv;
    if (decode_entry_event(e->b_data, TRL_RUN_COMPONENT, inv) < 0) {
        return -1;
    }
    trl_running *r = &inv->entries[0];
    struct host *h = host_ensure(e->l, e->source);
    host_moved(h);
    if (update_trial_event(h, r, NULL) || trial_is(r)) {
        return 0; /* a trial start is nobody else's business */
    }
    if (h->known && mark_believes(h, r)) {
        host_delta(h, r);
    } else {
        host_ask(h, NULL, NULL);
    }
    update_scaled(h, r);
    return 0;
}

static void note(const struct host *h, trl_str unit, trl_str text) {
    struct trl_inst *d = h->l->d;
    d->observe->note(d->host->ctx, lattice_id(h->l), host_id(h), unit, TRL_NOTE_START_FAILED, text);
}

static int on_scale_failed(const struct event *e) {
    struct inventory *inv = &e->l->d->inv;
    trl_str error = decode_str(e->b_data, "error");
    if (decode_entry_event(e->b_data, TRL_RUN_COMPONENT, inv) < 0) {
        return -1;
    }
    const trl_running *r = &inv->entries[0];
    struct host *h = host_ensure(e->l, e->source);
    if (update_trial_event(h, r, &error) || trial_is(r) ||
        update_start_failed(h, r->unit_id, r->image, error)) {
        return 0; /* the op says it */
    }
    note(h, r->unit_id, error);
    return 0;
}

/* A provider came or went. */
static void provider_event(struct host *h, const trl_running *r) {
    host_moved(h);
    names_take(&h->failing, r->unit_id);
    if (h->known && mark_believes(h, r)) {
        host_delta(h, r);
    } else {
        host_ask(h, NULL, NULL);
    }
    update_scaled(h, r);
}

static int on_provider_started(const struct event *e) {
    struct inventory *inv = &e->l->d->inv;
    if (decode_entry_event(e->b_data, TRL_RUN_PROVIDER, inv) < 0) {
        return -1;
    }
    trl_running *r = &inv->entries[0];
    r->image = proto_provider_image(r->image);
    provider_event(host_ensure(e->l, e->source), r);
    return 0;
}

static int on_provider_stopped(const struct event *e) {
    trl_running r = {.struct_size = sizeof(r), .kind = TRL_RUN_PROVIDER};
    r.unit_id = decode_str(e->b_data, "provider_id");
    if (!r.unit_id.len) {
        return -1;
    }
    provider_event(host_ensure(e->l, e->source), &r);
    return 0;
}

static int on_provider_failed(const struct event *e) {
    trl_str unit = decode_str(e->b_data, "provider_id"), error = decode_str(e->b_data, "error");
    if (!unit.len) {
        return -1;
    }
    struct host *h = host_ensure(e->l, e->source);
    if (text_has(error, "already running")) {
        host_ask(h, NULL, NULL); /* news, not a failure */
    } else if (!update_start_failed(h, unit, decode_str(e->b_data, "provider_ref"), error)) {
        note(h, unit, error);
    }
    return 0;
}

/* Only here the host's id is in the data. */
static int on_health(const struct event *e, uint32_t health) {
    trl_running r = {.struct_size = sizeof(r),
                     .kind = TRL_RUN_PROVIDER,
                     .count = 1,
                     .health = health,
                     .flags = TRL_RUNNING_HEALTH_ONLY};
    trl_str id = decode_str(e->b_data, "host_id");
    struct host *h = host_find(e->l, id.len ? id : e->source);
    r.unit_id = decode_str(e->b_data, "provider_id");
    if (!r.unit_id.len) {
        return -1;
    }
    if (!h || !h->known) {
        return 0; /* its heartbeat or inventory comes first */
    }
    if (health == TRL_HEALTH_FAILING) {
        names_put(&h->failing, r.unit_id, h);
    } else if (health == TRL_HEALTH_OK) {
        names_take(&h->failing, r.unit_id);
    } else if (names_find(&h->failing, r.unit_id)) {
        return 0; /* "as before": still failing */
    } else {
        r.health = TRL_HEALTH_OK;
    }
    host_delta(h, &r);
    return 0;
}

static int on_health_passed(const struct event *e) {
    return on_health(e, TRL_HEALTH_OK);
}

static int on_health_failed(const struct event *e) {
    return on_health(e, TRL_HEALTH_FAILING);
}

static int on_health_status(const struct event *e) {
    return on_health(e, TRL_HEALTH_UNKNOWN);
}

static int on_link_set(const struct event *e) {
    struct link_scratch *ls = &e->l->d->link_in;
    if (decode_link(e->b_data, ls) < 0 || !ls->link.target.ptr) {
        return -1;
    }
    links_on_set(e->l, &ls->link);
    return 0;
}

static int on_link_deleted(const struct event *e) {
    struct link_scratch *ls = &e->l->d->link_in;
    if (decode_link(e->b_data, ls) < 0) {
        return -1;
    }
    links_on_deleted(e->l, &ls->link, ls->link.target.ptr != NULL);
    return 0;
}

static int on_link_failed(const struct event *e) {
    struct link_scratch *ls = &e->l->d->link_in;
    if (decode_link(e->b_data, ls) < 0) {
        return -1;
    }
    links_on_failed(e->l, &ls->link, decode_str(e->b_data, "error"));
    return 0;
}

static int on_config(const struct event *e, int deleted) {
    trl_str name = decode_str(e->b_data, "config_name");
    if (!name.len) {
        return -1;
    }
    configs_on_event(e->l, name, deleted);
    return 0;
}

static int on_config_set(const struct event *e) {
    return on_config(e, 0);
}

static int on_config_deleted(const struct event *e) {
    return on_config(e, 1);
}

static const struct {
    const char *name;
    int (*fn)(const struct event *e);
} handlers[] = {
    {"host_heartbeat", on_heartbeat},
    {"component_scaled", on_scaled},
    {"component_scale_failed", on_scale_failed},
    {"provider_started", on_provider_started},
    {"provider_start_failed", on_provider_failed},
    {"provider_stopped", on_provider_stopped},
    {"health_check_status", on_health_status},
    {"health_check_passed", on_health_passed},
    {"health_check_failed", on_health_failed},
    {"host_started", on_started},
    {"host_stopped", on_stopped},
    {"labels_changed", on_labels},
    {"linkdef_set", on_link_set},
    {"linkdef_deleted", on_link_deleted},
    {"linkdef_set_failed", on_link_failed},
    {"config_set", on_config_set},
    {"config_deleted", on_config_deleted},
};

/* Tells the core once of a lattice nobody follows yet. */
static void meet(struct trl_inst *d, trl_str id) {
    if (names_find(&d->strangers, id) || d->strangers.n >= STRANGERS_MAX) {
        return;
    }
    names_put(&d->strangers, id, d);
    d->observe->lattice_seen(d->host->ctx, id);
}

static void handle(struct lattice *l, trl_str subject, trl_bytes payload,
                   int (*fn)(const struct event *e)) {
    struct trl_inst *d = l->d;
    struct event e = {.l = l};
    struct jtree tree = jtree_take(&d->tree);
    if (decode_event(&tree, payload, &e.b_data, &e.source) < 0 || !text_is_token(e.source) ||
        fn(&e) < 0) {
        driver_garbage(d, subject, "event");
    }
    jtree_give(&d->tree, &tree);
}

static trl_str traceparent(const trl_msg *m) {
    for (uint32_t i = 0; i < m->n_headers; i++) {
        if (trl_str_is(m->headers[i].key, "traceparent")) {
            return m->headers[i].value;
        }
    }
    return trl_strn(NULL, 0);
}

void events_on_message(void *arg, const trl_msg *m) {
    struct trl_inst *d = arg;
    trl_str account, name, event;
    char joined[512];
    if (proto_event_subject(m->subject, trl_cstr(d->set.event_prefix), d->set.multitenant, &account,
                            &name, &event) < 0) {
        return;
    }
    trl_str id = name;
    if (account.len) {
        if (account.len + name.len + 2 > sizeof(joined)) {
            return;
        }
        int n = snprintf(joined, sizeof(joined), "%.*s/%.*s", STR_ARG(account), STR_ARG(name));
        id = trl_strn(joined, (size_t)n);
    }
    for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
        if (trl_str_is(event, handlers[i].name)) {
            struct lattice *l = lattice_find(d, id);
            if (l) {
                d->told_by = traceparent(m);
                handle(l, m->subject, m->payload, handlers[i].fn);
                d->told_by = trl_strn(NULL, 0);
            } else {
                meet(d, id);
            }
            return;
        }
    }
}
