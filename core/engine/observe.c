/* SPDX-License-Identifier: Apache-2.0
 *
 * Reports in. What they change marks what it touches; nothing is decided here.
 */
#include <string.h>

#include "engine/engine_priv.h"

static void settle_host(struct engine *e, uint32_t slot) {
    for (uint32_t k = e->l.items.n; e->l.n_inflight && k-- > 0;) { /* what is settled goes */
        struct ledger_item *i = e->l.items.at[k].value;
        if (i->inflight && i->host == slot + 1) {
            uint32_t unit;
            memcpy(&unit, e->l.items.at[k].key.ptr + 5, sizeof(unit));
            dispatch_observed(e, slot, unit);
        }
    }
}

static void note_key(struct buf *key, str host, str unit) {
    buf_addf(key, "%.*s %.*s", PSTR(host), PSTR(unit));
}

static void keep_note(struct engine *e, str host, str unit, str text) {
    struct buf key = BUF_INIT;
    note_key(&key, host, unit);
    mem_free(map_set(&e->notes, buf_str(&key), str_dup(text)));
    buf_finish(&key);
}

/* Where all is well again, what failed before is no matter. */
static void drop_notes(struct engine *e, const trl_report *r) {
    for (uint32_t i = 0; e->notes.n && i < r->n_entries; i++) {
        const trl_running *x = trl_at(r->entries, r->entry_stride, i);
        struct buf key = BUF_INIT;
        note_key(&key, r->host_id, x->unit_id);
        if (x->health == TRL_HEALTH_OK || x->count == 0) {
            mem_free(map_del(&e->notes, buf_str(&key)));
        }
        buf_finish(&key);
    }
}

str engine_note_of(const struct engine *e, str host, str unit) {
    struct buf key = BUF_INIT;
    note_key(&key, host, unit);
    const char *text = map_get(&e->notes, buf_str(&key));
    buf_finish(&key);
    return text ? str_c(text) : STR_NONE;
}

void engine_drop_notes(struct engine *e) {
    for (uint32_t i = 0; i < e->notes.n; i++) {
        mem_free(e->notes.at[i].value);
    }
    map_finish(&e->notes);
}

/* What the host said of its trace; a driver of before does not tell. */
static str told_by(const trl_report *r) {
    struct trace_ctx t;
    bool has = r->struct_size >= offsetof(trl_report, traceparent) + sizeof(r->traceparent);
    return has && trace_parse(r->traceparent, &t) ? r->traceparent : STR_NONE;
}

void engine_report(struct engine *e, const trl_report *r) {
    drop_notes(e, r);
    e->told_by = told_by(r);
    bool known = observed_find_host(&e->o, r->host_id) != OBS_NONE;
    if ((r->flags & TRL_REPORT_STARTED) && known) {
        /* What was asked of its former life is void. */
        follow_host_gone(e, observed_find_host(&e->o, r->host_id));
        ledger_drop_host(&e->l, observed_find_host(&e->o, r->host_id));
        engine_dirty_all(e);
    }
    bool first = e->o.order.n == 0, started = r->flags & TRL_REPORT_STARTED;
    bool back = known ? e->o.hosts.at[observed_find_host(&e->o, r->host_id)].suspect
                      : e->synced && !e->syncing && !started;
    uint32_t slot = observed_report(&e->o, r);
    e->host_news_ns = known ? e->host_news_ns : engine_now(e);
    if (back || started) {
        e->o.hosts.at[slot].warming = back && !started;
        e->o.hosts.at[slot].warm_ns = engine_now(e);
    }
    if (e->l.n_uncertain && (r->flags & TRL_REPORT_FULL)) {
        ledger_certain(&e->l, slot);
        engine_dirty_all(e);
    }
    if (e->l.n_inflight && (r->flags & TRL_REPORT_FULL)) {
        settle_host(e, slot);
    } else if (e->l.n_inflight) {
        for (uint32_t i = 0; i < r->n_entries; i++) {
            const trl_running *x = trl_at(r->entries, r->entry_stride, i);
            dispatch_observed(e, slot, intern_id(&e->o.names, x->unit_id));
        }
    }
    e->told_by = STR_NONE;
    if (first && e->synced && !e->syncing) {
        engine_resync(
            e); /* the first host of an empty lattice: links and configs can be read now */
    }
}

void engine_host_gone(struct engine *e, str host, int32_t why) {
    uint32_t slot = observed_find_host(&e->o, host);
    if (slot == OBS_NONE) {
        return;
    }
    log_info(e->env.log, "lattice %s: host %.*s (%.*s) is gone: %s", e->lattice, PSTR(host),
             PSTR(e->o.hosts.at[slot].name),
             why == TRL_GONE_STOPPED ? "it stopped" : "nobody answers for it");
    follow_host_gone(e, slot);
    ledger_drop_host(&e->l, slot);
    observed_host_gone(&e->o, slot);
}

void engine_links(struct engine *e, const trl_link *links, uint32_t n, uint32_t stride, bool full) {
    observed_links(&e->o, links, n, stride, full);
}

void engine_link_gone(struct engine *e, const trl_link *key) {
    observed_link_gone(&e->o, key);
}

/* New content of a config that links name reaches the link's ends only by renewing the link. */
static void renew_links(struct engine *e, str config) {
    const struct users *u = desired_users(&e->d.config_users, config);
    for (uint32_t i = 0; u && i < u->at.n; i++) {
        struct desired_app *a = u->at.at[i].app;
        const struct want_config *c = u->at.at[i].what;
        for (uint32_t k = 0; !c->managed && k < a->cur->n_links; k++) {
            const struct want_link *l = &a->cur->links[k];
            for (uint32_t j = 0; j < l->n_configs; j++) {
                if (l->configs[j] == c && observed_link(&e->o, l->key)) {
                    *VEC_ADD(&a->refresh) = str_n(str_dup(l->delete_key), l->delete_key.len);
                    break;
                }
            }
        }
    }
}

void engine_configs(struct engine *e, const trl_config_seen *c, uint32_t n, uint32_t stride) {
    for (uint32_t i = 0; i < n; i++) {
        const trl_config_seen *x = trl_at(c, stride, i);
        bool present = !(x->flags & TRL_CONFIG_ABSENT);
        struct seen_config before = observed_get_config(&e->o, x->name);
        if (before.known && before.present && present && before.hash != x->hash) {
            renew_links(e, x->name);
        }
        observed_config(&e->o, x->name, present, x->hash);
    }
}

void engine_note(struct engine *e, str host, str unit, int32_t code, str text) {
    uint32_t slot = observed_find_host(&e->o, host);
    uint32_t id = intern_find(&e->o.names, unit);
    if (code == TRL_NOTE_START_FAILED && slot != OBS_NONE && id != INTERN_NONE) {
        keep_note(e, host, unit, text);
        dispatch_failed(e, slot, id, text);
    } else if (code == TRL_NOTE_BUSY && slot != OBS_NONE && id != INTERN_NONE) {
        dispatch_goes_on(e, slot, id);
    }
    log_debug(e->env.log, "lattice %s: %.*s on %.*s: %.*s", e->lattice, PSTR(unit), PSTR(host),
              PSTR(text));
}

void engine_link_state(struct engine *e, bool up) {
    if (e->link_up == up) {
        return;
    }
    e->link_up = up;
    if (!up) {
        for (uint32_t i = 0; i < e->o.order.n; i++) {
            observed_set_state(&e->o, e->o.order.at[i], false, true);
        }
        return;
    }
    e->up_since_ns = engine_now(e);
    observed_forget_configs(&e->o);
    engine_resync(e);
}
