/* SPDX-License-Identifier: Apache-2.0
 *
 * A store that was emptied or set back to an older copy says nothing of what users want: what is in
 * memory was acknowledged, so it is written back, versions before the head that names them. Of two
 * states of one app the later counts; several instances may do this at once.
 */
#include "catalog/catalog_priv.h"

#define AGAIN_NS (1000 * 1000000ll)

struct restore { /* one app under way */
    struct catalog *c;
    char *key;     /* of its head; owned */
    uint32_t puts; /* not answered yet */
    bool failed, wrote;
};

static void restore_all(struct catalog *c);

static void on_again(void *arg) {
    restore_all(arg);
}

void restore_init(struct catalog *c) {
    loop_timer_init(&c->restore_again, c->env.loop, on_again, c);
}

void restore_begin(struct catalog *c) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->entries.n; i++) {
        struct entry *e = c->entries.at[i].value;
        e->revision = 0;
        e->told = false;
        e->lost = e->head != NULL;
        n += e->lost;
    }
    for (uint32_t i = 0; i < c->records.n; i++) {
        struct record *r = c->records.at[i].value;
        r->told = false;
        r->lost = true;
    }
    if (n) {
        c->lost = true;
        log_warn(c->env.log,
                 "catalog: the store lost what it held; %u apps are in memory and will be written "
                 "back unless the store has them still",
                 n);
    }
}

/* uids are ULIDs: a later life of a name sorts behind. */
bool restore_keeps(const struct entry *e, const struct head *told) {
    const struct app *a = &e->head->app, *b = &told->app;
    int later = str_cmp(a->uid, b->uid);
    if (later == 0) {
        later = a->generation != b->generation ? (a->generation > b->generation ? 1 : -1)
                                               : (a->next > b->next) - (a->next < b->next);
    }
    return later > 0;
}

static void check_over(struct catalog *c) {
    if (!c->restoring && c->restores.n == 0 && !loop_timer_active(&c->restore_again)) {
        c->lost = false;
        log_warn(c->env.log, "catalog: %u apps were written back to the store", c->restored);
        c->restored = 0;
    }
}

static void done(struct restore *r) {
    struct catalog *c = r->c;
    bool failed = r->failed;
    c->restored += r->wrote && !failed;
    map_del(&c->restores, str_c(r->key));
    mem_free(r->key);
    mem_free(r);
    if (failed && !loop_timer_active(&c->restore_again)) {
        loop_timer_start(&c->restore_again, AGAIN_NS);
    }
    check_over(c);
}

static void on_found(void *arg, trl_status st, const struct kv_entry *x) {
    struct restore *r = arg;
    struct entry *e = map_get(&r->c->entries, str_c(r->key));
    if (st == TRL_OK && e) {
        memory_head(r->c, e, x->value.ptr ? x->value : STR(""), x->revision);
    }
    r->failed = st != TRL_OK || (e && e->lost);
    done(r);
}

static void on_head(void *arg, trl_status st, uint64_t revision, const trl_err *err) {
    struct restore *r = arg;
    struct entry *e = map_get(&r->c->entries, str_c(r->key));
    (void)err;
    if (st == TRL_E_CONFLICT) { /* another instance was faster */
        kv_get(r->c->env.kv, str_c(r->key), on_found, r);
        return;
    }
    r->failed = st != TRL_OK;
    if (st == TRL_OK && e && revision > e->revision) {
        e->revision = revision;
        e->told = e->lost = false;
        if (e->head) {
            e->head->app.revision = revision;
        }
    }
    done(r);
}

static void write_head(struct restore *r) {
    struct entry *e = map_get(&r->c->entries, str_c(r->key));
    struct buf text = BUF_INIT;
    if (r->failed || !e || !e->head || !e->lost) {
        done(r);
        return;
    }
    r->wrote = true;
    head_write(&e->head->app, &text);
    kv_put(r->c->env.kv, str_c(e->key), buf_str(&text), e->revision ? e->revision : TRL_REV_ABSENT,
           on_head, r);
    buf_finish(&text);
}

static void on_record(void *arg, trl_status st, uint64_t revision, const trl_err *err) {
    struct restore *r = arg;
    (void)revision, (void)err;
    r->failed = r->failed || (st != TRL_OK && st != TRL_E_CONFLICT); /* there already: as well */
    if (--r->puts == 0) {
        write_head(r);
    }
}

static void put_record(struct restore *r, struct record *v) {
    struct buf part = BUF_INIT;
    r->wrote = true;
    r->puts++;
    kv_put(r->c->env.kv, str_c(v->key), str_n(v->value, v->len), TRL_REV_ABSENT, on_record, r);
    for (uint32_t i = 0; i < v->n_parts; i++) {
        buf_clear(&part);
        buf_addf(&part, "%s.p%u", v->key, i + 1);
        r->puts++;
        kv_put(r->c->env.kv, buf_str(&part), v->parts[i], TRL_REV_ABSENT, on_record, r);
    }
    buf_finish(&part);
}

static void put_version(struct restore *r, const struct app *a, uint32_t n) {
    struct buf key = BUF_INIT;
    struct key k = {KEY_VERSION, a->tenant, a->lattice, a->name, a->uid, n, 0};
    struct record *v = key_format(&k, &key) ? map_get(&r->c->records, buf_str(&key)) : NULL;
    buf_finish(&key);
    if (v && v->lost && v->value && v->json.ptr) { /* until the watch tells that it is there */
        put_record(r, v);
    }
}

static void restore_app(struct catalog *c, struct entry *e) {
    const struct app *a = &e->head->app;
    struct restore *r;
    if (map_has(&c->restores, str_c(e->key))) {
        return;
    }
    r = mem_zalloc(sizeof(*r));
    r->c = c;
    r->key = mem_strdup(e->key);
    map_set(&c->restores, str_c(r->key), r);
    r->puts = 1; /* ours, so that the head comes last even without versions to write */
    for (uint32_t i = 0; i < a->n_versions; i++) {
        put_version(r, a, a->versions[i].n);
    }
    for (uint32_t i = 0; i < a->n_applied; i++) {
        put_version(r, a, a->applied[i]);
    }
    if (--r->puts == 0) {
        write_head(r);
    }
}

static bool needs(struct catalog *c, const struct entry *e) {
    bool lost = e->lost;
    for (uint32_t i = 0; e->head && !lost && i < e->head->app.n_versions; i++) {
        const struct record *v = memory_find_record(c, &e->head->app, e->head->app.versions[i].n);
        lost = v && v->lost;
    }
    return e->head && lost;
}

static void restore_all(struct catalog *c) {
    c->restoring = true;
    for (uint32_t i = 0; i < c->entries.n; i++) {
        struct entry *e = c->entries.at[i].value;
        if (needs(c, e)) {
            restore_app(c, e);
        }
    }
    c->restoring = false;
    check_over(c);
}

void restore_sync(struct catalog *c) {
    if (c->lost) {
        restore_all(c);
    }
}

void restore_finish(struct catalog *c) {
    loop_timer_stop(&c->restore_again);
    for (uint32_t i = 0; i < c->restores.n; i++) {
        struct restore *r = c->restores.at[i].value;
        kv_forget(c->env.kv, r);
        mem_free(r->key);
        mem_free(r);
    }
    map_finish(&c->restores);
}
