/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/engine_priv.h"

#include <string.h>

#include "plug/op.h"

#define HOST_TIMEOUT_NS (70 * NS_PER_S)
#define QUIET_NS        (25 * NS_PER_MS)
#define PASS_WAITS      8 /* turns, for what is posted behind it: answers often come together */
#define TELL_NS         (20 * NS_PER_MS)

int64_t engine_now(const struct engine *e) {
    return loop_now_ns(e->env.loop);
}

str engine_lattice(const struct engine *e) {
    return str_c(e->lattice);
}

str engine_id(const struct engine *e) {
    return str_c(e->id);
}

struct plug_inst *engine_driver(const struct engine *e) {
    return e->env.driver;
}

str engine_tenant(const struct engine *e) {
    return str_c(e->tenant);
}

/* The pass */

static size_t normal_image(void *arg, uint32_t run_kind, str image, char *buf, size_t cap) {
    struct engine *e = arg;
    return e->driver->normal_image(plug_inst_raw(e->env.driver), run_kind, image, buf, cap);
}

static bool can_run(void *arg, const trl_unit_view *unit, const trl_host_view *host) {
    struct engine *e = arg;
    return e->driver->can_run(plug_inst_raw(e->env.driver), unit, host) != 0;
}

static str note_of(void *arg, str host, str unit) {
    return engine_note_of(arg, host, unit);
}

void engine_plan_in(struct engine *e, struct plan_in *in) {
    *in = (struct plan_in){.desired = &e->d,
                           .observed = &e->o,
                           .ledger = &e->l,
                           .now_ns = engine_now(e),
                           .wall_offset_ms = e->wall_offset_ms,
                           .ever_host = e->ever_host,
                           .seed = hash_bytes(e->lattice, strlen(e->lattice))};
    in->denied = e->denials.n ? gate_each_denial : NULL;
    in->normal_image = e->driver->normal_image ? normal_image : NULL;
    in->can_run = e->driver->can_run ? can_run : NULL;
    in->why = e->notes.n ? note_of : NULL;
    in->arg = e;
}

static void tell(struct engine *e, struct desired_app *a) {
    a->untold = false;
    if (e->active && e->env.on_status) {
        e->env.on_status(e->env.arg, e, a->name, a->told);
    }
}

static void on_tell(void *arg) {
    struct engine *e = arg;
    for (uint32_t i = 0; i < e->untold.n; i++) {
        struct desired_app *a = e->untold.at[i];
        if (a && a->untold) {
            tell(e, a);
        }
    }
    e->untold.n = 0;
}

/* Details change with every answer while an app is being reconciled: they are told together, a
 * moment later. What kind of status it is is told at once. */
static void tell_later(struct engine *e, struct desired_app *a) {
    if (a->untold) {
        return;
    }
    a->untold = true;
    *VEC_ADD(&e->untold) = a;
    if (!loop_timer_active(&e->tell)) {
        loop_timer_start(&e->tell, TELL_NS);
    }
}

static void take_status(struct engine *e, struct desired_app *a) {
    struct app_status *now = &e->plan.status;
    if (a->guarded && now->type != STATUS_UNDEPLOYED) {
        now->message = arena_printf(&now->arena,
                                    "%.*s%sremovals are held back by the guard: deploy "
                                    "again to allow them",
                                    PSTR(now->message), now->message.len ? "; " : "");
    }
    if (a->condition && now->type != STATUS_UNDEPLOYED) {
        now->message = arena_printf(&now->arena, "%.*s%s%s", PSTR(now->message),
                                    now->message.len ? "; " : "", a->condition);
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
    if (!same && old && old->type == STATUS_RECONCILING && kept->type == STATUS_RECONCILING) {
        tell_later(e, a);
    } else if (!same) {
        tell(e, a);
    }
    status_destroy(old);
}

/* After a conflict or a failure the next pass finds the same and tries again. */
static void on_settled(void *arg, const struct catalog_result *r) {
    struct engine *e = arg;
    struct desired_app *a = desired_find(&e->d, r->app);
    if (a && a->settling) {
        a->settling = false;
        engine_dirty(e, a);
    }
}

static void settle_head(struct engine *e, struct desired_app *a, const struct plan *p) {
    uint32_t gone[ARRAY_LEN(p->gone)], n = inherit_settled(e, a, p, gone);
    if (!e->active || a->settling || n == 0) {
        return;
    }
    a->settling = true;
    catalog_settle(e->env.catalog, engine_tenant(e), engine_lattice(e), a->name, a->generation,
                   gone, n, NULL, 0, on_settled, e);
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

static void forget(struct desired_app **list, uint32_t n, const struct desired_app *a) {
    for (uint32_t i = 0; i < n; i++) {
        if (list[i] == a) {
            list[i] = NULL;
        }
    }
}

void engine_drop_app(struct engine *e, struct desired_app *a) {
    forget(e->dirty.at, e->dirty.n, a);
    forget(e->untold.at, e->untold.n, a);
    ledger_forgive(&e->l, a->name);
    follow_drop(e, a, STR("the application is gone"));
    desired_remove(&e->d, a);
}

static void plan_one(struct engine *e, struct desired_app *a) {
    struct plan_in in;
    engine_plan_in(e, &in);
    e->planned_ns = in.now_ns;
    plan_app(&in, a, &e->plan);
    if (e->plan.needs_known && !a->known_all) {
        learn_all(e, a);
        plan_app(&in, a, &e->plan);
    }
    inherit_planned(e, a, &e->plan);
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
    follow_status(e, a, leave);
    if (leave) {
        engine_drop_app(e, a);
    }
}

/* While the hosts are still being asked: apps that were deployed since, so that no former life left
 * anything of them on a host that is slow to answer. They wait until no more hosts come. */
static bool plan_ahead(struct engine *e) {
    bool any = false;
    for (uint32_t i = 0; i < e->dirty.n; i++) {
        struct desired_app *a = e->dirty.at[i];
        if (!a || !inherit_nothing(a) || !e->host_news_ns) {
            continue;
        }
        int64_t took = e->host_news_ns - e->sync_begun_ns;
        int64_t quiet_at = e->host_news_ns + (4 * took > QUIET_NS ? 4 * took : QUIET_NS);
        if (quiet_at > engine_now(e)) {
            engine_wake_at(e, quiet_at);
            break;
        }
        e->dirty.at[i] = NULL;
        a->dirty = false;
        plan_one(e, a);
        any = true;
    }
    return any;
}

static void tell_pass(struct engine *e, bool any, int64_t begun_ns) {
    if (any && e->env.on_pass) {
        e->env.on_pass(e->env.arg, e, engine_now(e) - begun_ns);
    }
}

static void pass(void *arg) {
    struct engine *e = arg;
    if (e->closing) {
        mem_free(e);
        return;
    }
    if (loop_has_posts(e->env.loop) && e->pass_waited++ < PASS_WAITS) {
        loop_post(e->env.loop, pass, e);
        return;
    }
    e->pass_posted = false;
    e->pass_waited = 0;
    int64_t begun_ns = engine_now(e);
    if (!e->synced) {
        tell_pass(e, plan_ahead(e), begun_ns);
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
    tell_pass(e, n > 0, begun_ns);
}

void engine_post_pass(struct engine *e) {
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
    if (e->synced || a->prompted) {
        engine_post_pass(e);
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

static void on_tick(void *arg) {
    struct engine *e = arg;
    engine_resolve_doubts(e);
    inherit_end(e);
    dispatch_deadlines(e);
    hostlife_tick(e);
    loop_timer_start(&e->tick, NS_PER_S);
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
            a->untold = false;
        }
        for (uint32_t i = 0; !active && i < e->d.apps.n; i++) {
            follow_drop(e, e->d.apps.at[i].value, STR("another instance acts"));
        }
        engine_dirty_all(e);
    }
}

bool engine_active(const struct engine *e) {
    return e->active;
}

void engine_set_condition(struct engine *e, str app, str text) {
    struct desired_app *a = desired_find(&e->d, app);
    if (a && (text.len ? !a->condition || !str_is(text, a->condition) : a->condition != NULL)) {
        mem_free(a->condition);
        a->condition = text.len ? str_dup(text) : NULL;
        engine_dirty(e, a);
    }
}

void engine_loaded(struct engine *e) {
    e->loaded = true;
}

bool engine_synced(const struct engine *e) {
    return e->synced;
}

void engine_read_load(const struct engine *e, struct engine_load *ret) {
    *ret = (struct engine_load){e->l.n_inflight, 0, e->active};
    for (uint32_t i = 0; i < e->dirty.n; i++) {
        ret->queued += e->dirty.at[i] != NULL; /* what was planned ahead leaves a gap */
    }
}

bool engine_settled(const struct engine *e) {
    return e->synced && e->dirty.n == 0 && !e->pass_posted && e->l.n_inflight == 0 &&
           e->sent.n == 0 && e->asks.n == 0 && !e->reading && !e->syncing;
}

const struct app_status *engine_status(const struct engine *e, str app) {
    const struct desired_app *a = desired_find(&e->d, app);
    return a ? a->told : NULL;
}

const struct observed *engine_observed(const struct engine *e) {
    return &e->o;
}

/* Life */

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

static void touch_app(struct engine *e, str app) {
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
        engine_touch_users(e, &e->d.unit_users, intern_str(&e->o.names, id));
        if (key.len) {
            touch_app(e, key);
        }
        engine_touch_users(e, &e->d.old_users, intern_str(&e->o.names, id));
    } else if (what == OBS_LINK && key.len == 0) {
        engine_dirty_all(e);
    } else if (what == OBS_LINK) {
        engine_touch_users(e, &e->d.link_sources, key);
        engine_touch_users(e, &e->d.old_users, key);
    } else {
        engine_touch_users(e, &e->d.config_users, key);
        engine_touch_users(e, &e->d.old_users, key);
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
    loop_timer_init(&e->tell, env->loop, on_tell, e);
    loop_timer_init(&e->tick, env->loop, on_tick, e);
    loop_timer_init(&e->prepare, env->loop, engine_prepare, e);
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
    loop_timer_stop(&e->tell);
    loop_timer_stop(&e->prepare);
    engine_drop_coming(e);
    dispatch_cancel(e);
    engine_drop_notes(e);
    gate_cancel(e);
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
    VEC_FREE(&e->untold);
    mem_free(e->tenant);
    mem_free(e->lattice);
    mem_free(e->id);
    if (!e->pass_posted) {
        mem_free(e); /* else the posted pass does it */
    }
}
