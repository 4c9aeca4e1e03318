/* SPDX-License-Identifier: Apache-2.0
 *
 * The catalog's life: memory is fed by one watch over all of our keys, and watched again after a
 * break.
 */
#include "catalog/catalog_priv.h"

#define REWATCH_MIN_NS (100 * 1000000ll)
#define REWATCH_MAX_NS (5000 * 1000000ll)

static void start_watch(struct catalog *c);

static void on_sync(struct catalog *c) {
    c->rewatch_ns = REWATCH_MIN_NS;
    if (c->loaded) {
        collect_stale(c);
        restore_sync(c);
    } else {
        c->loaded = true;
        collect_garbage(c);
        log_info(c->env.log, "catalog: loaded, %u apps in %u lattices", c->entries.n,
                 c->lattices.n);
        if (c->env.on_loaded) {
            c->env.on_loaded(c->env.arg);
        }
    }
    c->round++;
}

static void on_entry(void *arg, const struct kv_entry *x) {
    struct catalog *c = arg;
    struct arena a = ARENA_INIT;
    struct key k;
    bool gone = x->flags & TRL_ENTRY_DELETED;
    if (x->flags & TRL_ENTRY_RESET) {
        restore_begin(c);
    } else if (x->flags & TRL_ENTRY_SYNC) {
        on_sync(c);
    } else if (key_parse(x->key, &a, &k)) {
        if (k.kind == KEY_HEAD) {
            char *key = str_dup(x->key);
            struct entry *e = memory_entry(c, key, &k);
            mem_free(key);
            memory_head(c, e, gone ? STR_NONE : x->value.ptr ? x->value : STR(""), x->revision);
            memory_drop_if_idle(c, e);
        } else if (k.kind == KEY_VERSION || k.kind == KEY_PART) {
            if (gone) {
                memory_record_gone(c, x->key, &k);
            } else {
                memory_record(c, &k, x->value, true);
            }
        }
    }
    arena_finish(&a);
}

static void on_rewatch(void *arg) {
    start_watch(arg);
}

static void on_end(void *arg, trl_status st) {
    struct catalog *c = arg;
    c->watch = NULL;
    log_warn(c->env.log, "catalog: the store's watch broke (%s); trying again in %lld ms",
             err_name(st), (long long)(c->rewatch_ns / 1000000));
    loop_timer_start(&c->rewatch, c->rewatch_ns);
    c->rewatch_ns = c->rewatch_ns * 2 < REWATCH_MAX_NS ? c->rewatch_ns * 2 : REWATCH_MAX_NS;
}

static void start_watch(struct catalog *c) {
    c->watch = kv_watch(c->env.kv, STR("1."), on_entry, on_end, c);
}

static void on_kick(void *arg) {
    write_ready(arg);
}

struct catalog *catalog_create(const struct catalog_env *env) {
    struct catalog *c = mem_zalloc(sizeof(*c));
    c->env = *env;
    c->round = 1;
    c->rewatch_ns = REWATCH_MIN_NS;
    loop_timer_init(&c->rewatch, env->loop, on_rewatch, c);
    loop_timer_init(&c->kick, env->loop, on_kick, c);
    restore_init(c);
    start_watch(c);
    return c;
}

void catalog_destroy(struct catalog *c) {
    if (!c) {
        return;
    }
    if (c->watch) {
        kv_watch_end(c->watch);
    }
    loop_timer_stop(&c->rewatch);
    loop_timer_stop(&c->kick);
    write_finish(c);
    look_finish(c);
    restore_finish(c);
    collect_finish(c);
    memory_finish(c);
    mem_free(c);
}

bool catalog_loaded(const struct catalog *c) {
    return c->loaded;
}

bool catalog_idle(const struct catalog *c) {
    return c->n_writes == 0;
}

/* The characters that are tokens of subjects everywhere and need no escape in keys. */
bool catalog_lattice_ok(str lattice) {
    for (size_t i = 0; i < lattice.len; i++) {
        char ch = lattice.ptr[i];
        if (!((ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') ||
              ch == '_' || ch == '-')) {
            return false;
        }
    }
    return lattice.len > 0 && lattice.len <= CATALOG_LATTICE_MAX;
}
