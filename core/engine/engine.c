/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/engine_priv.h"

#include <string.h>

#include "plug/op.h"

#define RESYNC_TIMEOUT_NS (30 * NS_PER_S)
#define READ_TIMEOUT_NS   (10 * NS_PER_S)
#define HOST_TIMEOUT_NS   (70 * NS_PER_S)

int64_t engine_now(const struct engine *e) {
    return loop_now_ns(e->env.loop);
}

str engine_lattice(const struct engine *e) {
    return str_c(e->lattice);
}

str engine_tenant(const struct engine *e) {
    return str_c(e->tenant);
}

/* The pass */

static size_t normal_image(void *arg, uint32_t run_kind, str image, char *buf, size_t cap) {
    struct engine *e = arg;
    return e->driver->normal_image(plug_inst_raw(e->env.driver), run_kind, image, buf, cap);
}

void engine_plan_in(struct engine *e, struct plan_in *in) {
    *in = (struct plan_in){.desired = &e->d,
                           .observed = &e->o,
                           .ledger = &e->l,
                           .now_ns = engine_now(e),
                           .wall_offset_ms = e->wall_offset_ms,
                           .ever_host = e->ever_host,
                           .seed = hash_bytes(e->lattice, strlen(e->lattice))};
    in->normal_image = e->driver->normal_image ? normal_image : NULL;
    in->arg = e;
}

static void take_status(struct engine *e, struct desired_app *a) {
    struct app_status *now = &e->plan.status;
    if (a->guarded && now->type != STATUS_UNDEPLOYED) {
        now->message = arena_printf(&now->arena,
                                    "%.*s%sremovals are held back by the guard: deploy "
                                    "again to allow them",
                                    PSTR(now->message), now->message.len ? "; " : "");
    }
    bool same = a->told && status_equal(a->told, now);
    if (same && a->told->generation == now->generation) {
        return;
    }
    struct app_status *kept = mem_alloc(sizeof(*kept));
    *kept = *now;
    now->arena = (struct arena)ARENA_INIT;
    now->scalers = NULL;
    now->n_scalers = 0;
    struct app_status *old = a->told;
    a->told = kept;
    if (!same && e->active && e->env.on_status) {
        e->env.on_status(e->env.arg, e, a->name, kept);
    }
    status_destroy(old);
}

static void on_settled(void *arg, const struct catalog_result *r) {
    struct engine *e = arg;
    (void)r; /* a conflict or a failure: the next pass finds the same and tries again */
    for (uint32_t i = 0; i < e->d.apps.n; i++) {
        struct desired_app *a = e->d.apps.at[i].value;
        if (a->settling) {
            a->settling = false;
            engine_dirty(e, a);
        }
    }
}

static void settle_head(struct engine *e, struct desired_app *a, const struct plan *p) {
    if (!e->active || a->settling || e->inherit_until_ns || e->inheriting || p->n_gone == 0) {
        return;
    }
    a->settling = true;
    catalog_settle(e->env.catalog, engine_tenant(e), engine_lattice(e), a->name, a->generation,
                   p->gone, p->n_gone, NULL, 0, on_settled, e);
}

static void learn_all(struct engine *e, struct desired_app *a) {
    struct expand_env env;
    engine_expand_env(e, &env);
    const struct app *head =
        catalog_find_any(e->env.catalog, engine_tenant(e), engine_lattice(e), a->name);
    for (uint32_t i = 0; head && i < head->n_versions; i++) {
        const struct manifest *m = catalog_manifest(e->env.catalog, head, head->versions[i].n);
        struct app_spec *s = m ? app_spec_expand(m, head->versions[i].n, &env) : NULL;
        if (s) {
            desired_learn(a, s);
            app_spec_unref(s);
        }
    }
    a->known_all = true;
}

static void drop_app(struct engine *e, struct desired_app *a) {
    e->leavers -= a->olds.n > 0;
    for (uint32_t i = 0; i < e->dirty.n; i++) {
        if (e->dirty.at[i] == a) {
            e->dirty.at[i] = NULL;
        }
    }
    desired_remove(&e->d, a);
}

static void plan_one(struct engine *e, struct desired_app *a) {
    struct plan_in in;
    engine_plan_in(e, &in);
    plan_app(&in, a, &e->plan);
    if (e->plan.needs_known && !a->known_all) {
        learn_all(e, a);
        plan_app(&in, a, &e->plan);
    }
    if (e->active) {
        dispatch_plan(e, a, &e->plan);
    }
    if (!e->plan.pending && !a->guarded) {
        a->prompted = false;
    }
    if (e->plan.wake_ns != INT64_MAX) {
        engine_wake_at(e, e->plan.wake_ns);
    }
    settle_head(e, a, &e->plan);
    bool leave = e->plan.done_undeploy && a->olds.n == 0 && !e->plan.pending;
    take_status(e, a);
    if (leave) {
        drop_app(e, a);
    }
}

static void pass(void *arg) {
    struct engine *e = arg;
    e->pass_posted = false;
    if (e->closing) {
        mem_free(e);
        return;
    }
    if (!e->synced) {
        return;
    }
    uint32_t n = e->dirty.n; /* what becomes dirty meanwhile waits for the next turn */
    for (uint32_t i = 0; i < n; i++) {
        struct desired_app *a = e->dirty.at[i];
        if (a) {
            a->dirty = false;
            plan_one(e, a);
        }
    }
    if (e->dirty.n > n) {
        memmove(e->dirty.at, e->dirty.at + n, (e->dirty.n - n) * sizeof(*e->dirty.at));
    }
    e->dirty.n -= n;
    engine_read_configs(e);
}

static void post_pass(struct engine *e) {
    if (!e->pass_posted) {
        e->pass_posted = true;
        loop_post(e->env.loop, pass, e);
    }
}

void engine_dirty(struct engine *e, struct desired_app *a) {
    if (!a->dirty) {
        a->dirty = true;
        *VEC_ADD(&e->dirty) = a;
    }
    if (e->synced) {
        post_pass(e);
    }
}

void engine_dirty_all(struct engine *e) {
    for (uint32_t i = 0; i < e->d.apps.n; i++) {
        engine_dirty(e, e->d.apps.at[i].value);
    }
}

static void on_wake(void *arg) {
    struct engine *e = arg;
    e->wake_ns = INT64_MAX;
    engine_dirty_all(e); /* rare: an item's back-off ended; planning finds which */
}

void engine_wake_at(struct engine *e, int64_t at_ns) {
    if (at_ns < e->wake_ns) {
        int64_t now = engine_now(e);
        e->wake_ns = at_ns;
        loop_timer_start(&e->wake, at_ns > now ? at_ns - now : 0);
    }
}

static bool all_heard(const struct engine *e) {
    for (uint32_t i = 0; i < e->o.order.n; i++) {
        const struct seen_host *h = &e->o.hosts.at[e->o.order.at[i]];
        if (h->suspect || h->stale) {
            return false;
        }
    }
    return e->o.order.n > 0;
}

/* A link or config request that nobody answered may have been carried out, or may be yet, by a host
 * that we have perhaps never heard from: what is there is read again after the host time-out. */
static void resolve_doubts(struct engine *e) {
    if (e->l.n_doubts && !e->syncing && !e->reading && e->link_up && all_heard(e) &&
        engine_now(e) - e->doubted_ns >= e->env.host_timeout_ns) {
        observed_forget_configs(&e->o);
        e->resolving = true;
        engine_resync(e);
    }
}

/* A host that was silent when the program started is not known to it, and may still run or start
 * what a former life asked for: nothing is forgotten before the host time-out and another look. */
static void end_inheritance(struct engine *e) {
    if (e->inherit_until_ns && engine_now(e) >= e->inherit_until_ns && !e->syncing && e->link_up) {
        e->inherit_until_ns = 0;
        e->inheriting = true;
        observed_forget_configs(&e->o);
        engine_resync(e);
    }
}

static void on_tick(void *arg) {
    struct engine *e = arg;
    resolve_doubts(e);
    end_inheritance(e);
    dispatch_deadlines(e);
    hostlife_tick(e);
    loop_timer_start(&e->tick, NS_PER_S);
}

/* Reading what is there */

static void want_config_names(struct engine *e, const struct app_spec *s) {
    for (uint32_t i = 0; s && i < s->n_configs; i++) {
        if (!observed_get_config(&e->o, s->configs[i]->name).known) {
            map_set(&e->unread, s->configs[i]->name, e);
        }
    }
}

static void want_all_configs(struct engine *e) {
    for (uint32_t i = 0; i < e->d.apps.n; i++) {
        struct desired_app *a = e->d.apps.at[i].value;
        want_config_names(e, a->cur);
        for (uint32_t k = 0; k < a->olds.n; k++) {
            want_config_names(e, a->olds.at[k]);
        }
    }
}

static void on_read(void *arg, trl_status st, trl_bytes result, const trl_err *err) {
    struct engine *e = arg;
    (void)result;
    e->read_op = NULL;
    e->reading = false;
    e->synced |= e->first_read;
    e->first_read = false;
    if (st != TRL_OK) {
        log_warn(e->env.log, "lattice %s: reading configurations: %.*s; trying again", e->lattice,
                 err ? (int)err->msg_len : 0, err ? err->msg : "");
        want_all_configs(e);
        engine_wake_at(e, engine_now(e) + NS_PER_S);
        return;
    }
    engine_dirty_all(e);
}

void engine_read_configs(struct engine *e) {
    if (e->reading || e->unread.n == 0 || !(e->driver->flags & TRL_DRIVER_LINKS) ||
        !e->driver->read_configs || e->o.order.n == 0) {
        return; /* without a host nobody can answer: the next one to join is asked */
    }
    uint32_t n = e->unread.n;
    str *names = mem_array(n, sizeof(str));
    for (uint32_t i = 0; i < n; i++) {
        names[i] = e->unread.at[i].key;
    }
    struct op_handler h = {.on_done = on_read, .arg = e};
    e->reading = true;
    e->read_op = op_begin(e->env.driver, READ_TIMEOUT_NS, &h);
    e->driver->read_configs(plug_inst_raw(e->env.driver), e->read_op, str_c(e->id), names, n);
    mem_free(names);
    map_clear(&e->unread);
}

static void on_resynced(void *arg, trl_status st, trl_bytes result, const trl_err *err) {
    struct engine *e = arg;
    (void)result;
    e->resync_op = NULL;
    e->syncing = false;
    if (e->resolving && st == TRL_OK && all_heard(e)) {
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
    post_pass(e);
}

void engine_resync(struct engine *e) {
    if (e->syncing) {
        e->resync_again = true;
        return;
    }
    e->syncing = true;
    struct op_handler h = {.on_done = on_resynced, .arg = e};
    e->resync_op = op_begin(e->env.driver, RESYNC_TIMEOUT_NS, &h);
    e->driver->resync(plug_inst_raw(e->env.driver), e->resync_op, str_c(e->id));
}

/* Apps */

static struct app_spec *expand_version(struct engine *e, const struct app *head, uint32_t n) {
    const struct manifest *m = catalog_manifest(e->env.catalog, head, n);
    struct expand_env env;
    engine_expand_env(e, &env);
    return m ? app_spec_expand(m, n, &env) : NULL;
}

static void intern_units(struct engine *e, const struct app_spec *s) {
    intern_id(&e->o.names, s->app);
    for (uint32_t i = 0; i < s->n_units; i++) {
        intern_id(&e->o.names, s->units[i].id);
    }
}

static void set_olds(struct engine *e, struct desired_app *a, const struct app *head) {
    e->leavers -= a->olds.n > 0;
    for (uint32_t i = 0; i < a->olds.n; i++) {
        app_spec_unref(a->olds.at[i]);
    }
    a->olds.n = 0;
    for (uint32_t i = head->n_applied; i-- > 0;) { /* newest first */
        uint32_t n = head->applied[i];
        struct app_spec *s = n != head->deployed ? expand_version(e, head, n) : NULL;
        if (s) {
            intern_units(e, s);
            desired_learn(a, s);
            want_config_names(e, s);
            *VEC_ADD(&a->olds) = s;
        }
    }
    e->leavers += a->olds.n > 0;
}

/* An app that takes something down is named by no index: it is dirty for any news of its kind. */
static void touch_leavers(struct engine *e) {
    for (uint32_t i = 0; e->leavers && i < e->d.apps.n; i++) {
        struct desired_app *a = e->d.apps.at[i].value;
        if (a->olds.n) {
            engine_dirty(e, a);
        }
    }
}

/* Users of this app's shared units, and apps whose units or configs it uses, look again. */
static void dirty_neighbours(struct engine *e, const struct desired_app *a,
                             const struct app_spec *s) {
    for (uint32_t i = 0; i < e->d.apps.n; i++) {
        struct desired_app *other = e->d.apps.at[i].value;
        bool touched = false;
        for (uint32_t k = 0; s && k < s->n_shared_apps; k++) {
            touched |= str_eq(s->shared_apps[k], other->name);
        }
        for (uint32_t k = 0; other->cur && k < other->cur->n_shared_apps; k++) {
            touched |= str_eq(other->cur->shared_apps[k], a->name);
        }
        if (other != a && touched) {
            engine_dirty(e, other);
        }
    }
    for (uint32_t i = 0; s && i < s->n_configs; i++) {
        const struct users *u = desired_users(&e->d.config_users, s->configs[i]->name);
        for (uint32_t k = 0; u && k < u->at.n; k++) {
            engine_dirty(e, u->at.at[k].app);
        }
    }
}

static void re_expand_users(struct engine *e, str owner) {
    for (uint32_t i = 0; i < e->d.apps.n; i++) {
        struct desired_app *a = e->d.apps.at[i].value;
        bool uses = false;
        for (uint32_t k = 0; a->cur && k < a->cur->n_shared_apps; k++) {
            uses |= str_eq(a->cur->shared_apps[k], owner) && !str_eq(a->name, owner);
        }
        const struct app *head =
            uses ? catalog_find_any(e->env.catalog, engine_tenant(e), engine_lattice(e), a->name)
                 : NULL;
        if (head && head->deployed) {
            desired_set_cur(&e->d, a, expand_version(e, head, head->deployed));
            engine_dirty(e, a);
        }
    }
}

static void on_renewed_set(struct desired_app *a, const struct app *head) {
    desired_set_refresh(a, head->refresh, head->n_refresh);
}

void engine_app_changed(struct engine *e, const struct app *head) {
    struct desired_app *a = desired_find(&e->d, head->name);
    bool any = head->deployed || head->n_applied;
    if (!any) {
        if (a) {
            dirty_neighbours(e, a, a->cur);
            drop_app(e, a);
            re_expand_users(e, head->name);
            touch_leavers(e);
        }
        return;
    }
    bool fresh = a == NULL;
    a = desired_add(&e->d, head->name);
    bool moved = fresh || a->generation != head->generation;
    if (moved) {
        a->prompted = !fresh || e->synced;
        a->guarded = false;
        a->known_all = false;
        ledger_forgive(&e->l, a->name);
    }
    if (a->cur) {
        dirty_neighbours(e, a, a->cur);
    }
    a->generation = head->generation;
    a->deleting = head->deleting;
    struct app_spec *spec = head->deployed ? expand_version(e, head, head->deployed) : NULL;
    if (spec) {
        intern_units(e, spec);
    }
    desired_set_cur(&e->d, a, spec);
    mem_free((char *)(uintptr_t)a->version.ptr);
    a->version = str_n(str_dup(spec ? spec->version : STR_NONE), spec ? spec->version.len : 0);
    on_renewed_set(a, head);
    want_config_names(e, spec);
    set_olds(e, a, head);
    dirty_neighbours(e, a, spec);
    if (moved) {
        re_expand_users(e, a->name);
    }
    touch_leavers(e);
    engine_dirty(e, a);
}

void engine_set_active(struct engine *e, bool active) {
    if (e->active != active) {
        e->active = active;
        log_info(e->env.log, "lattice %s: %s", e->lattice,
                 active ? "this instance acts" : "another instance acts");
        for (uint32_t i = 0; active && i < e->d.apps.n; i++) {
            struct desired_app *a = e->d.apps.at[i].value;
            status_destroy(a->told); /* told by nobody yet, as far as we know */
            a->told = NULL;
        }
        engine_dirty_all(e);
    }
}

bool engine_synced(const struct engine *e) {
    return e->synced;
}

bool engine_settled(const struct engine *e) {
    return e->synced && e->dirty.n == 0 && !e->pass_posted && e->l.n_inflight == 0 &&
           e->sent.n == 0 && !e->reading && !e->syncing;
}

const struct app_status *engine_status(const struct engine *e, str app) {
    const struct desired_app *a = desired_find(&e->d, app);
    return a ? a->told : NULL;
}

const struct observed *engine_observed(const struct engine *e) {
    return &e->o;
}

/* Life */

static void touch_users(struct engine *e, const struct map *index, str key) {
    const struct users *u = desired_users(index, key);
    for (uint32_t i = 0; u && i < u->at.n; i++) {
        engine_dirty(e, u->at.at[i].app);
    }
}

/* An entry with our mark whose app is stored but not deployed is a leftover nobody remembers: it
 * came back with a host that was away when the rest was taken down. */
static struct desired_app *orphaned(struct engine *e, str app) {
    const struct app *head =
        catalog_find_any(e->env.catalog, engine_tenant(e), engine_lattice(e), app);
    if (!head) {
        return NULL; /* not of our store: shown, never touched */
    }
    struct desired_app *a = desired_add(&e->d, app);
    a->generation = head->generation;
    return a;
}

static void touch_app(struct engine *e, const struct seen_entry *entry) {
    if (!entry || !entry->managed || entry->app == INTERN_NONE) {
        return;
    }
    str app = intern_str(&e->o.names, entry->app);
    struct desired_app *a = desired_find(&e->d, app);
    a = a ? a : orphaned(e, app);
    if (a) {
        engine_dirty(e, a);
    }
}

static void touched(void *arg, enum obs_what what, uint32_t id, str key) {
    struct engine *e = arg;
    if (what == OBS_HOSTS) {
        e->ever_host |= e->o.order.n > 0;
        engine_dirty_all(e);
    } else if (what == OBS_UNIT) {
        touch_users(e, &e->d.unit_users, intern_str(&e->o.names, id));
        for (uint32_t i = 0; i < e->o.units.at[id].slots.n; i++) {
            touch_app(e, observed_entry(&e->o, e->o.units.at[id].slots.at[i], id));
        }
        touch_leavers(e);
    } else if (what == OBS_LINK && key.len == 0) {
        engine_dirty_all(e);
    } else if (what == OBS_LINK) {
        touch_users(e, &e->d.link_sources, key);
        touch_leavers(e);
    } else {
        touch_users(e, &e->d.config_users, key);
        touch_leavers(e);
    }
}

struct engine *engine_create(const struct engine_env *env, str tenant, str lattice) {
    struct engine *e = mem_zalloc(sizeof(*e));
    e->env = *env;
    if (e->env.host_timeout_ns <= 0) {
        e->env.host_timeout_ns = HOST_TIMEOUT_NS;
    }
    e->driver = plug_inst_table(env->driver);
    e->tenant = str_dup(tenant);
    e->lattice = str_dup(lattice);
    struct buf id = BUF_INIT;
    buf_addf(&id, "%s%s%s", str_is(tenant, "_") ? "" : e->tenant, str_is(tenant, "_") ? "" : "/",
             e->lattice);
    e->id = buf_take(&id);
    e->link_up = true;
    e->inherit_until_ns = loop_now_ns(env->loop) + e->env.host_timeout_ns;
    e->wake_ns = INT64_MAX;
    e->wall_offset_ms = loop_wall_ms(env->loop) - loop_now_ns(env->loop) / 1000000;
    observed_init(&e->o, touched, e);
    desired_init(&e->d);
    ledger_init(&e->l);
    plan_init(&e->plan);
    loop_timer_init(&e->wake, env->loop, on_wake, e);
    loop_timer_init(&e->tick, env->loop, on_tick, e);
    loop_timer_start(&e->tick, NS_PER_S);
    engine_resync(e);
    return e;
}

void engine_destroy(struct engine *e) {
    if (!e) {
        return;
    }
    e->closing = true;
    loop_timer_stop(&e->wake);
    loop_timer_stop(&e->tick);
    dispatch_cancel(e);
    hostlife_cancel(e);
    if (e->resync_op) {
        op_forget(e->resync_op);
    }
    if (e->read_op) {
        op_forget(e->read_op);
    }
    desired_finish(&e->d);
    ledger_finish(&e->l);
    plan_finish(&e->plan);
    observed_finish(&e->o);
    map_finish(&e->unread);
    VEC_FREE(&e->dirty);
    mem_free(e->tenant);
    mem_free(e->lattice);
    mem_free(e->id);
    if (!e->pass_posted) {
        mem_free(e); /* else the posted pass does it */
    }
}
