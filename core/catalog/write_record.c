/* SPDX-License-Identifier: Apache-2.0
 *
 * A put claims its version number by creating the version's record; parts follow, then the head.
 */
#include "catalog/write_priv.h"

void record_drop(struct write_op *w) {
    if (w->rec_done) {
        struct app a = {.tenant = w->e->tenant,
                        .lattice = w->e->lattice,
                        .name = w->e->name,
                        .uid = w->rec_uid};
        collect_version(w->c, &a, w->rec_n);
        w->rec_done = 0;
    }
}

static struct key record_key(const struct write_op *w) {
    return (struct key){w->rec_done ? KEY_PART : KEY_VERSION,
                        w->e->tenant,
                        w->e->lattice,
                        w->e->name,
                        w->rec_uid,
                        w->rec_n,
                        w->rec_done};
}

static void record_value(struct write_op *w, struct buf *out) {
    struct version_record v = {w->rec_n,     w->change.version, w->change.now_ms,
                               w->rec_parts, w->manifest.len,   w->manifest};
    if (w->rec_done) {
        buf_add_str(out, version_part(w->manifest, w->rec_done));
    } else {
        version_format(&v, out);
    }
}

static void write_record(struct write_op *w);

static void on_record_written(void *arg, trl_status st, uint64_t revision, const trl_err *err) {
    struct write_op *w = arg;
    struct key k = record_key(w);
    struct buf value = BUF_INIT;
    (void)revision;
    if (st == TRL_E_CONFLICT && w->rec_done == 0) {
        /* Somebody claimed this number, and may or may not have written a head. Take the next. */
        w->change.min_n = w->rec_n + 1;
        write_retry(w, true);
        return;
    }
    if (st != TRL_OK) {
        write_fail(w, write_store_text(w, "the version", st, err), true);
        return;
    }
    record_value(w, &value);
    memory_record(w->c, &k, buf_str(&value), false);
    buf_finish(&value);
    w->rec_done++;
    write_record(w);
}

/* Record, then its parts, then the head: each when the last is acknowledged. */
static void write_record(struct write_op *w) {
    struct buf key = BUF_INIT, value = BUF_INIT;
    struct key k = record_key(w);
    if (w->rec_done == w->rec_parts + 1) {
        write_the_head(w);
        return;
    }
    key_format(&k, &key);
    record_value(w, &value);
    kv_put(w->c->env.kv, buf_str(&key), buf_str(&value), TRL_REV_ABSENT, on_record_written, w);
    buf_finish(&value);
    buf_finish(&key);
}

void record_start(struct write_op *w) {
    const struct app *a = &w->head->app;
    bool have = w->rec_done && str_eq(w->rec_uid, a->uid) && w->rec_n == w->result.n;
    if (have) {
        write_the_head(w);
        return;
    }
    record_drop(w);
    w->rec_uid = arena_str(&w->arena, a->uid);
    w->rec_n = w->result.n;
    w->rec_parts = version_parts(w->manifest.len);
    w->rec_done = 0;
    write_record(w);
}
