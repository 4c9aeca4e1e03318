/* SPDX-License-Identifier: Apache-2.0
 *
 * What is in memory but perhaps no longer in the store, and what is in the store but named by
 * nobody.
 */
#include "catalog/catalog_priv.h"

#define ORPHAN_AGE_MS (60 * 60 * 1000ll)

struct check {
    struct catalog *c;
    char *key;
};

static void drop_gone(struct catalog *c, str key) {
    struct arena a = ARENA_INIT;
    struct key k;
    if (key_parse(key, &a, &k)) {
        struct entry *e = map_get(&c->entries, key);
        if (k.kind == KEY_VERSION) {
            memory_record_gone(c, key, &k);
        } else if (e) {
            /* The tombstone's revision is unknown; the head's own keeps older news away. */
            memory_take_head(c, e, NULL, e->revision);
            memory_drop_if_idle(c, e);
        }
    }
    arena_finish(&a);
}

static void on_checked(void *arg, trl_status st, const struct kv_entry *x) {
    struct check *ck = arg;
    struct catalog *c = ck->c;
    (void)x;
    map_del(&c->checks, str_c(ck->key));
    if (st == TRL_E_NOTFOUND) {
        drop_gone(c, str_c(ck->key));
    }
    mem_free(ck->key);
    mem_free(ck);
}

static void verify(struct catalog *c, const char *key) {
    struct check *ck;
    if (map_has(&c->checks, str_c(key))) {
        return;
    }
    ck = mem_zalloc(sizeof(*ck));
    ck->c = c;
    ck->key = mem_strdup(key);
    map_set(&c->checks, str_c(key), ck);
    kv_get(c->env.kv, str_c(ck->key), on_checked, ck);
}

/* Some head names it. */
static bool named(struct catalog *c, const struct key *k, bool *ret_damaged) {
    struct key hk = {KEY_HEAD, k->tenant, k->lattice, k->app, STR_NONE, 0, 0};
    struct buf key = BUF_INIT;
    struct entry *e = key_format(&hk, &key) ? map_get(&c->entries, buf_str(&key)) : NULL;
    buf_finish(&key);
    *ret_damaged = e && e->damaged;
    return e && e->head && str_eq(e->head->app.uid, k->uid) && head_names(&e->head->app, k->n);
}

void collect_stale(struct catalog *c) {
    struct arena a = ARENA_INIT;
    for (uint32_t i = 0; i < c->entries.n; i++) {
        const struct entry *e = c->entries.at[i].value;
        if (e->head && !e->lost && e->seen != c->round) {
            verify(c, e->key);
        }
    }
    for (uint32_t i = 0; i < c->records.n; i++) {
        const struct record *r = c->records.at[i].value;
        struct key k;
        bool damaged = false;
        if (r->seen != c->round && !r->lost && key_parse(str_c(r->key), &a, &k) &&
            !named(c, &k, &damaged)) {
            verify(c, r->key);
        }
    }
    arena_finish(&a);
}

static void on_deleted(void *arg, trl_status st, uint64_t revision, const trl_err *err) {
    (void)arg, (void)st, (void)revision, (void)err; /* what stays is found at the next load */
}

/* Parts first: a record that is still there tells of them. */
static void delete_record(struct catalog *c, const char *key, uint32_t n_parts) {
    struct buf part = BUF_INIT;
    for (uint32_t i = 1; i <= n_parts; i++) {
        buf_clear(&part);
        buf_addf(&part, "%s.p%u", key, i);
        kv_del(c->env.kv, buf_str(&part), TRL_REV_ANY, on_deleted, NULL);
    }
    buf_finish(&part);
    kv_del(c->env.kv, str_c(key), TRL_REV_ANY, on_deleted, NULL);
}

void collect_garbage(struct catalog *c) {
    struct arena a = ARENA_INIT;
    int64_t now_ms = loop_wall_ms(c->env.loop);
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->records.n; i++) {
        const struct record *r = c->records.at[i].value;
        struct key k;
        bool damaged = false;
        if (r->value && !r->damaged && now_ms - r->created_ms > ORPHAN_AGE_MS &&
            key_parse(str_c(r->key), &a, &k) && !named(c, &k, &damaged) && !damaged) {
            delete_record(c, r->key, r->n_parts);
            n++;
        }
    }
    arena_finish(&a);
    if (n) {
        log_info(c->env.log, "catalog: %u version records that no app names are being deleted", n);
    }
}

void collect_version(struct catalog *c, const struct app *a, uint32_t n) {
    const struct record *r = memory_find_record(c, a, n);
    if (r) {
        delete_record(c, r->key, r->n_parts);
    }
}

void collect_finish(struct catalog *c) {
    for (uint32_t i = 0; i < c->checks.n; i++) {
        struct check *ck = c->checks.at[i].value;
        kv_forget(c->env.kv, ck);
        mem_free(ck->key);
        mem_free(ck);
    }
    map_finish(&c->checks);
}
