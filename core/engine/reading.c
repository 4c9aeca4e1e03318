/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading what is there: hosts and links by a resync, configs by name; and when what was read once
 * is not enough.
 */
#include "engine/engine_priv.h"
#include "plug/op.h"
#include "plug/watch.h"

#define RESYNC_TIMEOUT_NS (30 * NS_PER_S)
#define READ_TIMEOUT_NS   (10 * NS_PER_S)

static void want_names(struct engine *e, const struct app_spec *s, bool known_too) {
    for (uint32_t i = 0; s && i < s->n_configs; i++) {
        if (known_too || !observed_get_config(&e->o, s->configs[i]->name).known) {
            map_set(&e->unread, s->configs[i]->name, e);
        }
    }
}

void engine_want_configs(struct engine *e, const struct app_spec *s) {
    want_names(e, s, false);
}

void engine_doubt_config(struct engine *e, str name) {
    map_set(&e->unread, name, e);
    engine_post_pass(e);
}

static void want_all_names(struct engine *e, bool known_too) {
    for (uint32_t i = 0; i < e->d.apps.n; i++) {
        struct desired_app *a = e->d.apps.at[i].value;
        want_names(e, a->cur, known_too);
        for (uint32_t k = 0; k < a->olds.n; k++) {
            want_names(e, a->olds.at[k], known_too);
        }
    }
}

static void want_all_configs(struct engine *e) {
    want_all_names(e, false);
}

/* What is known stays known meanwhile, so that nothing is put twice. */
void engine_reread_configs(struct engine *e) {
    want_all_names(e, true);
}

static void on_read(void *arg, trl_status st, trl_bytes result, const trl_err *err) {
    struct engine *e = arg;
    (void)result;
    bool first = e->first_read;
    e->read_op = NULL;
    e->reading = false;
    e->synced |= first;
    e->first_read = false;
    if (st != TRL_OK) {
        log_warn(e->env.log, "lattice %s: reading configurations: %.*s; trying again", e->lattice,
                 err ? (int)err->msg_len : 0, err ? err->msg : "");
        want_all_configs(e);
        engine_wake_at(e, engine_now(e) + NS_PER_S);
        return;
    }
    if (first) {
        engine_dirty_all(e);
    }
    engine_post_pass(
        e); /* what was read marked its users; names that came up meanwhile are asked for */
}

/* What is being put or deleted is known with its answer. */
static uint32_t unread_names(const struct engine *e, str *ret) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < e->unread.n; i++) {
        const struct ledger_item *item = ledger_text(&e->l, 'c', e->unread.at[i].key);
        if (!item || !item->inflight) {
            ret[n++] = e->unread.at[i].key;
        }
    }
    return n;
}

static void begin_read(struct engine *e, const str *names, uint32_t n) {
    struct op_handler h = {.on_done = on_read, .arg = e};
    e->reading = true;
    e->read_op = op_begin(e->env.driver, READ_TIMEOUT_NS, &h);
    struct watch w;
    watch_enter(e->env.driver, &w);
    e->driver->read_configs(plug_inst_raw(e->env.driver), e->read_op, str_c(e->id), names, n);
    watch_leave(e->env.driver, &w, "read_configs");
}

void engine_read_configs(struct engine *e) {
    if (e->reading || e->unread.n == 0 || !(e->driver->flags & TRL_DRIVER_LINKS) ||
        !e->driver->read_configs || e->o.order.n == 0) {
        return; /* without a host nobody can answer: the next one to join is asked */
    }
    str *names = mem_array(e->unread.n, sizeof(str));
    uint32_t n = unread_names(e, names);
    if (n) {
        begin_read(e, names, n);
    }
    mem_free(names);
    map_finish(&e->unread); /* it was as long as the longest list of names once */
}

bool engine_all_heard(const struct engine *e) {
    for (uint32_t i = 0; i < e->o.order.n; i++) {
        const struct seen_host *h = &e->o.hosts.at[e->o.order.at[i]];
        if (h->suspect || h->stale) {
            return false;
        }
    }
    return e->o.order.n > 0;
}

static void on_resynced(void *arg, trl_status st, trl_bytes result, const trl_err *err) {
    struct engine *e = arg;
    (void)result;
    e->resync_op = NULL;
    e->syncing = false;
    if (e->resolving && st == TRL_OK && engine_all_heard(e)) {
        ledger_certain(&e->l, LEDGER_SHARED);
    }
    e->resolving = false;
    e->inheriting = false;
    if (e->resync_again) {
        e->resync_again = false;
        engine_resync(e);
        return;
    }
    if (st != TRL_OK && st != TRL_E_NORESPONDER) {
        log_warn(e->env.log, "lattice %s: asking all hosts: %.*s", e->lattice,
                 err ? (int)err->msg_len : 0, err ? err->msg : "");
    }
    if (!e->synced) {
        log_debug(e->env.log, "lattice %s: %u hosts known", e->lattice, e->o.order.n);
    }
    want_all_configs(e);
    engine_read_configs(e);
    e->first_read = !e->synced && e->reading; /* nothing is planned or told before it is known */
    e->synced |= !e->first_read;
    engine_dirty_all(e);
    engine_post_pass(e);
}

void engine_resync(struct engine *e) {
    if (e->syncing) {
        e->resync_again = true;
        return;
    }
    e->syncing = true;
    e->sync_begun_ns = engine_now(e);
    struct op_handler h = {.on_done = on_resynced, .arg = e};
    e->resync_op = op_begin(e->env.driver, RESYNC_TIMEOUT_NS, &h);
    struct watch w;
    watch_enter(e->env.driver, &w);
    e->driver->resync(plug_inst_raw(e->env.driver), e->resync_op, str_c(e->id));
    watch_leave(e->env.driver, &w, "resync");
}

/* A link or config request that nobody answered may have been carried out, or may be yet, by a
 * host that we have perhaps never heard from: what is there is read again after the host
 * time-out. */
void engine_resolve_doubts(struct engine *e) {
    if (e->l.n_doubts && !e->syncing && !e->reading && e->link_up && engine_all_heard(e) &&
        engine_now(e) - e->doubted_ns >= e->env.host_timeout_ns) {
        e->resolving = true;
        engine_reread_configs(e);
        engine_resync(e);
    }
}
