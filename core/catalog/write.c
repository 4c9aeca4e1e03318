/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes: one queue per app, each write a compare-and-set of the head that is tried again after a
 * conflict. A put claims its version number first by creating the version's record.
 */
#include <string.h>

#include "base/digest.h"
#include "catalog/write_priv.h"

#define WRITE_TRIES    5u
#define VANISHED_LOOKS 10u
#define VANISHED_NS    (40 * 1000000ll)

static void run(struct write_op *w);

static str keep(struct write_op *w, str s) {
    return s.ptr ? arena_str(&w->arena, s) : STR_NONE;
}

static void op_destroy(struct write_op *w) {
    loop_timer_stop(&w->pause);
    head_destroy(w->head);
    head_destroy(w->old);
    arena_finish(&w->arena);
    mem_free(w);
}

static void make_ready(struct catalog *c, struct entry *e) {
    if (!e->queued) {
        e->queued = true;
        *VEC_ADD(&c->ready) = e;
        if (!loop_timer_active(&c->kick)) {
            loop_timer_start(&c->kick, 0);
        }
    }
}

void write_ready(struct catalog *c) {
    uint32_t n = c->ready.n;
    for (uint32_t i = 0; i < n; i++) {
        struct entry *e = c->ready.at[i];
        e->queued = false;
        if (e->first) {
            run(e->first);
        } else {
            memory_drop_if_idle(c, e);
        }
    }
    c->ready.n -= n;
    if (c->ready.n) {
        memmove(c->ready.at, c->ready.at + n, c->ready.n * sizeof(*c->ready.at));
        loop_timer_start(&c->kick, 0);
    }
}

void write_finish(struct catalog *c) {
    for (uint32_t i = 0; i < c->entries.n; i++) {
        struct entry *e = c->entries.at[i].value;
        while (e->first) {
            struct write_op *w = e->first;
            e->first = w->next;
            kv_forget(c->env.kv, w);
            op_destroy(w);
        }
    }
    VEC_FREE(&c->ready);
}

/* Tells the result and lets the next one of the queue begin. */
static void finish(struct write_op *w) {
    struct catalog *c = w->c;
    struct entry *e = w->e;
    e->first = w->next;
    e->last = e->first ? e->last : NULL;
    c->n_writes--;
    make_ready(c, e);
    if (w->done) {
        w->result.app = e->name;
        w->done(w->arg, &w->result);
    }
    op_destroy(w);
}

void write_fail(struct write_op *w, const char *text, bool known) {
    if (known) {
        record_drop(w);
    }
    w->result = (struct catalog_result){.code = CATALOG_STORAGE, .err = text};
    finish(w);
}

const char *write_store_text(struct write_op *w, const char *what, trl_status st,
                             const trl_err *err) {
    return arena_printf(&w->arena, "the store could not write %s: %s%s%.*s", what, err_name(st),
                        err && err->msg_len ? ": " : "", err ? (int)err->msg_len : 0,
                        err ? err->msg : "")
        .ptr;
}

void write_retry(struct write_op *w, bool reread) {
    head_destroy(w->head);
    w->head = NULL;
    w->text = STR_NONE;
    if (++w->tries >= WRITE_TRIES) {
        write_fail(w,
                   "others changed this app at the same time, 5 tries were not enough; try again",
                   true);
        return;
    }
    w->reread = reread;
    run(w);
}

static void on_pause(void *arg) {
    run(arg);
}

/* Not there, but the watch did not tell of a delete: it will, or it tells that the store lost its
 * past. Taking the app down for a store that was emptied would be wrong. */
static void vanished(struct write_op *w) {
    if (w->looks++ < VANISHED_LOOKS) {
        loop_timer_init(&w->pause, w->c->env.loop, on_pause, w);
        loop_timer_start(&w->pause, VANISHED_NS);
        return;
    }
    write_fail(w, "the app's head is gone from the store, and nobody deleted it; try again", true);
}

static void on_reread(void *arg, trl_status st, const struct kv_entry *x) {
    struct write_op *w = arg;
    if (st == TRL_OK) {
        memory_head(w->c, w->e, x->value.ptr ? x->value : STR(""), x->revision);
    } else if (st == TRL_E_NOTFOUND && w->e->head && !w->e->lost) {
        vanished(w);
        return;
    } else if (st == TRL_E_NOTFOUND) { /* lost: what memory has is written back with the change */
        w->e->damaged = false;
    } else {
        write_fail(w, write_store_text(w, "the app's head (re-reading it)", st, NULL), true);
        return;
    }
    w->reread = false;
    w->looked = true;
    run(w);
}

/* The write is in the store: memory follows before anybody is told. */
static void commit(struct write_op *w, uint64_t revision) {
    struct catalog *c = w->c;
    const struct app none = {0}, *before = w->old ? &w->old->app : &none;
    struct head *h = w->head;
    bool taken = !h && w->act != CHANGE_REMOVE; /* by the watch */
    w->head = NULL;
    if (revision > w->e->revision && !taken) {
        if (w->act == CHANGE_REMOVE) {
            head_destroy(h);
            h = NULL;
        }
        memory_take_head(c, w->e, h, revision);
    } else { /* the watch was faster, and somebody wrote again */
        head_destroy(h);
    }
    const struct app *now = w->e->head ? &w->e->head->app : NULL;
    bool same_life = now && str_eq(now->uid, before->uid);
    for (uint32_t i = 0; i < before->n_versions + before->n_applied; i++) {
        uint32_t n = i < before->n_versions ? before->versions[i].n
                                            : before->applied[i - before->n_versions];
        if (!same_life || !head_names(now, n)) {
            collect_version(c, before, n);
        }
    }
    finish(w);
}

static void on_head_written(void *arg, trl_status st, uint64_t revision, const trl_err *err) {
    struct write_op *w = arg;
    if (st == TRL_OK) {
        commit(w, revision);
    } else if (st == TRL_E_CONFLICT) {
        write_retry(w, true);
    } else {
        /* A time-out may hide a success: the record stays, the watch tells how it went. */
        write_fail(w, write_store_text(w, "the app's head", st, err), st == TRL_E_INVALID);
    }
}

struct head *write_told(struct entry *e, str value) {
    struct write_op *w = e->first;
    struct head *h = NULL;
    if (w && w->text.len && str_eq(w->text, value)) {
        h = w->head;
        w->head = NULL;
    }
    return h;
}

/* What is stored is mostly deployed next: read while the store writes, if there is nothing else to
 * do. */
static void read_ahead(struct write_op *w) {
    if (w->act == CHANGE_WRITE && w->rec_n && !loop_has_posts(w->c->env.loop)) {
        memory_read_ahead(w->c, w->e, &w->head->app, w->rec_n);
    }
}

void write_the_head(struct write_op *w) {
    struct buf text = BUF_INIT;
    if (w->act == CHANGE_REMOVE) {
        kv_del(w->c->env.kv, str_c(w->e->key), w->expect, on_head_written, w);
        return;
    }
    head_write(&w->head->app, &text);
    if (text.len > HEAD_MAX_BYTES) {
        write_fail(
            w,
            arena_printf(&w->arena,
                         "the list of versions of this app would take %zu bytes, the limit is "
                         "%u: use shorter version names or delete versions",
                         text.len, HEAD_MAX_BYTES)
                .ptr,
            true);
    } else {
        w->text = arena_str(&w->arena, buf_str(&text));
        kv_put(w->c->env.kv, str_c(w->e->key), w->text, w->expect, on_head_written, w);
        read_ahead(w);
    }
    buf_finish(&text);
}

static bool check_damaged(struct write_op *w) {
    if (!w->e->damaged) {
        return false;
    }
    if (w->change.kind == CHANGE_DELETE && !w->change.version.ptr) {
        w->result = (struct catalog_result){.code = CATALOG_OK};
        w->act = CHANGE_REMOVE;
        write_the_head(w);
    } else {
        write_fail(
            w, "the stored record of this app cannot be read; delete the app, or repair the record",
            true);
    }
    return true;
}

static void run(struct write_op *w) {
    struct entry *e = w->e;
    if (w->too_long) {
        w->result = (struct catalog_result){.code = CATALOG_TOO_LONG};
        finish(w);
        return;
    }
    if (w->reread) {
        kv_get(w->c->env.kv, str_c(e->key), on_reread, w);
        return;
    }
    w->expect = e->head || e->damaged ? e->revision : TRL_REV_ABSENT;
    if (check_damaged(w)) {
        return;
    }
    if (w->rec_done) {
        w->change.min_n = w->rec_n; /* our claim still counts */
    }
    head_destroy(w->old);
    w->old = e->head ? head_dup(&e->head->app) : NULL;
    w->act = change_apply(e->head ? &e->head->app : NULL, &w->change, &w->head, &w->result);
    /* They may lie in a head that the watch replaces before the write is answered. */
    w->result.version = keep(w, w->result.version);
    w->result.previous = keep(w, w->result.previous);
    bool own_doing = w->change.kind == CHANGE_SETTLE || w->change.kind == CHANGE_PIN;
    if (w->act == CHANGE_NOTHING && !w->looked && !own_doing) {
        w->reread = true; /* another instance may have written what the watch will tell of */
        run(w);
    } else if (w->act == CHANGE_NOTHING) {
        record_drop(w);
        finish(w);
    } else if (w->change.kind == CHANGE_PUT) {
        record_start(w);
    } else {
        write_the_head(w);
    }
}

/* A write of an app whose name makes no key still answers in a later turn, through the queue of an
 * entry of its own. */
static struct write_op *add(struct catalog *c, enum change_kind kind, str tenant, str lattice,
                            str name, catalog_done_fn done, void *arg) {
    struct write_op *w = mem_zalloc(sizeof(*w));
    struct buf key = BUF_INIT;
    struct key k = {KEY_HEAD, tenant, lattice, name, STR_NONE, 0, 0};
    bool ok = key_format(&k, &key);
    if (!ok) {
        buf_clear(&key);
        buf_addf(&key, "!%u", c->entries.n);
        w->too_long = true;
    }
    w->c = c;
    w->e = memory_entry(c, key.ptr, &k);
    w->done = done;
    w->arg = arg;
    w->change.kind = kind;
    w->change.tenant = w->e->tenant;
    w->change.lattice = w->e->lattice;
    w->change.name = w->e->name;
    w->reread = !c->loaded;
    buf_finish(&key);
    return w;
}

static void enqueue(struct write_op *w) {
    struct entry *e = w->e;
    w->c->n_writes++;
    if (e->last) {
        e->last->next = w;
        e->last = w;
        return;
    }
    e->first = e->last = w;
    make_ready(w->c, e);
}

void catalog_put(struct catalog *c, str tenant, str lattice, const struct manifest *m, str version,
                 bool if_changed, catalog_done_fn done, void *arg) {
    struct write_op *w = add(c, CHANGE_PUT, tenant, lattice, str_trim(m->name), done, arg);
    struct buf text = BUF_INIT;
    char ulid[ULID_LEN + 1], hash[65];
    int64_t now_ms = loop_wall_ms(c->env.loop);
    if (!version.ptr) {
        ulid_text(now_ms, loop_rng(c->env.loop), ulid);
        version = str_c(ulid);
    }
    w->change.version = arena_str(&w->arena, version);
    manifest_hash(m, hash);
    w->change.hash = arena_str(&w->arena, str_c(hash));
    ulid_text(now_ms, loop_rng(c->env.loop), ulid);
    w->change.fresh_uid = arena_str(&w->arena, str_c(ulid));
    w->change.now_ms = now_ms;
    w->change.if_changed = if_changed;
    manifest_write(m, w->change.version, &text);
    w->manifest = arena_str(&w->arena, buf_str(&text));
    buf_finish(&text);
    enqueue(w);
}

static void keep_refresh(struct write_op *w, const str *refresh, uint32_t n) {
    str *keys = ARENA_ARRAY(&w->arena, str, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        keys[i] = arena_str(&w->arena, refresh[i]);
    }
    w->change.refresh = keys;
    w->change.n_refresh = n;
}

static void keep_pins(struct write_op *w, const struct secret_pin *pins, uint32_t n) {
    struct secret_pin *list = ARENA_ARRAY(&w->arena, struct secret_pin, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        list[i] = (struct secret_pin){pins[i].n, arena_str(&w->arena, pins[i].name),
                                      arena_str(&w->arena, pins[i].version), false};
    }
    w->change.pins = list;
    w->change.n_pins = n;
}

static void keep_trace(struct write_op *w, const struct trace_ctx *trace) {
    if (trace) {
        w->change.trace = *trace;
    }
}

void catalog_deploy_pinned(struct catalog *c, str tenant, str lattice, str name, str version,
                           const str *refresh, uint32_t n_refresh, const struct secret_pin *pins,
                           uint32_t n_pins, bool keep_them, bool newest,
                           const struct trace_ctx *trace, catalog_done_fn done, void *arg) {
    struct write_op *w = add(c, CHANGE_DEPLOY, tenant, lattice, name, done, arg);
    w->change.version = keep(w, version);
    w->change.keep_pins = keep_them;
    w->change.newest = newest;
    keep_trace(w, trace);
    keep_refresh(w, refresh, n_refresh);
    keep_pins(w, pins, n_pins);
    enqueue(w);
}

void catalog_deploy(struct catalog *c, str tenant, str lattice, str name, str version,
                    const str *refresh, uint32_t n_refresh, catalog_done_fn done, void *arg) {
    catalog_deploy_pinned(c, tenant, lattice, name, version, refresh, n_refresh, NULL, 0, false,
                          false, NULL, done, arg);
}

void catalog_pin(struct catalog *c, str tenant, str lattice, str name, const struct secret_pin *pin,
                 const str *refresh, uint32_t n_refresh, catalog_done_fn done, void *arg) {
    struct write_op *w = add(c, CHANGE_PIN, tenant, lattice, name, done, arg);
    keep_refresh(w, refresh, n_refresh);
    keep_pins(w, pin, 1);
    enqueue(w);
}

void catalog_undeploy(struct catalog *c, str tenant, str lattice, str name,
                      const struct trace_ctx *trace, catalog_done_fn done, void *arg) {
    struct write_op *w = add(c, CHANGE_UNDEPLOY, tenant, lattice, name, done, arg);
    keep_trace(w, trace);
    enqueue(w);
}

void catalog_delete(struct catalog *c, str tenant, str lattice, str name, str version,
                    const struct trace_ctx *trace, catalog_done_fn done, void *arg) {
    struct write_op *w = add(c, CHANGE_DELETE, tenant, lattice, name, done, arg);
    keep_trace(w, trace);
    w->change.version = keep(w, version);
    enqueue(w);
}

void catalog_settle(struct catalog *c, str tenant, str lattice, str name, uint64_t generation,
                    const uint32_t *gone, uint32_t n_gone, const str *renewed, uint32_t n_renewed,
                    catalog_done_fn done, void *arg) {
    struct write_op *w = add(c, CHANGE_SETTLE, tenant, lattice, name, done, arg);
    uint32_t *numbers = ARENA_ARRAY(&w->arena, uint32_t, n_gone + 1);
    str *keys = ARENA_ARRAY(&w->arena, str, n_renewed + 1);
    for (uint32_t i = 0; i < n_gone; i++) {
        numbers[i] = gone[i];
    }
    for (uint32_t i = 0; i < n_renewed; i++) {
        keys[i] = arena_str(&w->arena, renewed[i]);
    }
    w->change.generation = generation;
    w->change.gone = numbers;
    w->change.n_gone = n_gone;
    w->change.renewed = keys;
    w->change.n_renewed = n_renewed;
    enqueue(w);
}
