/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/audit.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <trellis/kind/policy.h>

#include "base/digest.h"
#include "base/mem.h"

#define PREFIX        "3.audit."
#define AGE_MS        (30ll * 24 * 3600 * 1000)
#define BYTES         (16ull << 20)
#define CHUNK_BYTES   16384u /* a chunk is written again until it has so many */
#define CHUNK_AGE_MS  3600000ll
#define RECORD_BYTES  262144u    /* of one record: a store takes values of 1 MiB */
#define PENDING_BYTES (4u << 20) /* waiting for a store that does not answer */
#define RETRY_NS      1000000000ll
#define LINGER_NS     100000000ll /* plain allows are written together */
#define READ_LIMIT    100u
#define KEY_MS_DIGITS 13 /* "3.audit.<ms>-<ulid>": keys are in order of time */

struct chunk {
    char *key; /* owned */
    int64_t opened_ms;
    uint64_t bytes;
};

struct audit {
    struct loop *loop;
    struct kv *kv;
    const struct log *log;
    struct audit_limits limits;
    VEC(struct chunk) chunks; /* in the store, oldest first; the last one grows */
    uint64_t bytes;           /* of all chunks */
    struct buf open;          /* the growing chunk's records, as in the store */
    struct buf pending;       /* records not in the store yet, joined by commas */
    struct buf writing;       /* those under way */
    VEC(uint32_t) lens;       /* of each record: those under way, then those pending */
    uint32_t n_writing;
    struct loop_timer retry;
    struct loop_timer linger; /* what is pending are plain allows */
    struct audit_reading *readings;
    uint64_t lost;
    bool busy, posted, closing, told, loaded;
};

static const char *const points[TRL_POINTS] = {"put",     "deploy", "place",
                                               "command", "host",   "secret"};

const char *policy_point_name(uint32_t point) {
    return point < TRL_POINTS ? points[point] : "unknown";
}

bool policy_point_parse(str name, uint32_t *ret) {
    for (uint32_t i = 0; i < TRL_POINTS; i++) {
        if (str_is(name, points[i])) {
            *ret = i;
            return true;
        }
    }
    return false;
}

/* Writing */

static void flush(void *arg);

static void flush_soon(struct audit *a) {
    loop_timer_stop(&a->linger);
    if (!a->posted && !a->busy) {
        a->posted = true;
        loop_post(a->loop, flush, a);
    }
}

static void drop_oldest(struct audit *a) {
    struct chunk *c = &a->chunks.at[0];
    kv_del(a->kv, str_c(c->key), TRL_REV_ANY, NULL, NULL);
    a->bytes -= c->bytes;
    mem_free(c->key);
    memmove(c, c + 1, (a->chunks.n - 1) * sizeof(*c));
    a->chunks.n--;
}

/* The growing chunk stays: what is being written is never what is thrown away. */
static void prune(struct audit *a) {
    int64_t from = loop_wall_ms(a->loop) - a->limits.age_ms;
    while (a->chunks.n > 1 && (a->bytes > a->limits.bytes || a->chunks.at[1].opened_ms < from)) {
        drop_oldest(a);
    }
}

static struct chunk *new_chunk(struct audit *a) {
    char ulid[ULID_LEN + 1];
    struct buf key = BUF_INIT;
    int64_t ms = loop_wall_ms(a->loop);
    ulid_text(ms, loop_rng(a->loop), ulid);
    buf_addf(&key, PREFIX "%0*lld-%s", KEY_MS_DIGITS, (long long)ms, ulid);
    struct chunk *c = VEC_ADD(&a->chunks);
    *c = (struct chunk){buf_take(&key), ms, 0};
    buf_clear(&a->open);
    return c;
}

/* What was under way is in the store. */
static void took(struct audit *a) {
    struct chunk *c = &a->chunks.at[a->chunks.n - 1];
    if (a->open.len) {
        buf_add_c(&a->open, ',');
    }
    buf_add_str(&a->open, buf_str(&a->writing));
    a->bytes += a->open.len - c->bytes;
    c->bytes = a->open.len;
    a->lens.n -= a->n_writing;
    memmove(a->lens.at, a->lens.at + a->n_writing, a->lens.n * sizeof(*a->lens.at));
    a->n_writing = 0;
    buf_clear(&a->writing);
}

static void written(void *arg, trl_status st, uint64_t revision, const trl_err *err) {
    struct audit *a = arg;
    (void)revision;
    a->busy = false;
    if (st == TRL_OK) {
        took(a);
        a->told = false;
        prune(a);
    } else { /* in front of what came meanwhile, and again */
        struct buf joined = BUF_INIT;
        buf_add_str(&joined, buf_str(&a->writing));
        if (a->pending.len) {
            buf_add_c(&joined, ',');
            buf_add_str(&joined, buf_str(&a->pending));
        }
        buf_finish(&a->pending);
        a->pending = joined;
        a->n_writing = 0;
        buf_clear(&a->writing);
        if (!a->told) {
            a->told = true;
            log_warn(a->log,
                     "the audit of policy decisions cannot be written (%s): it is kept in "
                     "memory and tried again",
                     err ? err->msg : err_name(st));
        }
        loop_timer_start(&a->retry, RETRY_NS);
    }
    if (st == TRL_OK && a->pending.len) {
        flush_soon(a);
    }
}

/* The oldest records that are pending, as many as a chunk has, are the next to be written. */
static void next_batch(struct audit *a) {
    struct chunk *c = a->chunks.n ? &a->chunks.at[a->chunks.n - 1] : NULL;
    size_t bytes = 0;
    uint32_t n = 0;
    for (; n < a->lens.n && (n == 0 || bytes + a->lens.at[n] < CHUNK_BYTES); n++) {
        bytes += a->lens.at[n] + (n > 0);
    }
    bool unused = c && c->bytes == 0; /* it could not be written last time */
    if (!unused && (!c || a->open.len == 0 || a->open.len + bytes > CHUNK_BYTES ||
                    loop_wall_ms(a->loop) - c->opened_ms > CHUNK_AGE_MS)) {
        new_chunk(a);
    }
    str all = buf_str(&a->pending);
    struct buf rest = BUF_INIT;
    buf_add_str(&a->writing, str_n(all.ptr, bytes));
    if (bytes < all.len) {
        buf_add_str(&rest, str_skip(all, bytes + 1)); /* the comma goes */
    }
    buf_finish(&a->pending);
    a->pending = rest;
    a->n_writing = n;
}

static void put_chunk(struct audit *a, kv_done_fn done) {
    struct buf value = BUF_INIT;
    buf_addf(&value, "[%.*s%s%.*s]", PSTR(buf_str(&a->open)), a->open.len ? "," : "",
             PSTR(buf_str(&a->writing)));
    kv_put(a->kv, str_c(a->chunks.at[a->chunks.n - 1].key), buf_str(&value), TRL_REV_ANY, done,
           done ? a : NULL);
    buf_finish(&value);
}

static void write_pending(struct audit *a) {
    next_batch(a);
    a->busy = true;
    put_chunk(a, written);
}

/* What is not known to be in the store is handed over once more; the plane waits for the store. */
static void write_last(struct audit *a) {
    while (a->writing.len + a->pending.len > 0) {
        if (a->writing.len == 0) {
            next_batch(a);
        }
        put_chunk(a, NULL);
        took(a);
    }
}

static void flush(void *arg) {
    struct audit *a = arg;
    a->posted = false;
    if (a->closing) {
        mem_free(a);
    } else if (!a->busy && a->pending.len) {
        write_pending(a);
    }
}

static void some(struct jw *w, const char *key, str value) {
    if (value.len) {
        jw_kv(w, key, value);
    }
}

static void write_record(const struct audit_record *r, int64_t ms, struct buf *out) {
    char time_text[40];
    struct tm tm;
    time_t t = (time_t)(ms / 1000);
    struct jw w;
    gmtime_r(&t, &tm);
    strftime(time_text, sizeof(time_text), "%Y-%m-%dT%H:%M:%S", &tm);
    jw_init(&w, out, false);
    jw_object(&w);
    jw_key(&w, "time");
    struct buf full = BUF_INIT;
    buf_addf(&full, "%s.%03dZ", time_text, (int)(ms % 1000));
    jw_str(&w, buf_str(&full));
    buf_finish(&full);
    jw_kv_u64(&w, "ms", (uint64_t)ms);
    jw_kv(&w, "point", str_c(policy_point_name(r->point)));
    jw_kv(&w, "what", r->what);
    if (!str_is(r->tenant, "_")) {
        some(&w, "tenant", r->tenant);
    }
    some(&w, "lattice", r->lattice);
    some(&w, "app", r->app);
    some(&w, "caller", r->caller);
    some(&w, "trace", r->trace);
    if (r->backends.len) {
        jw_key(&w, "backends");
        jw_raw(&w, r->backends);
    }
    ruling_write(r->ruling, &w);
    if (r->cached) {
        jw_kv_bool(&w, "cached", true);
    }
    if (r->count > 1) {
        jw_kv_u64(&w, "count", r->count);
    }
    jw_end_object(&w);
}

/* A write every time would cost a deploy that nobody minds more than the rules do. */
static bool plain(const struct ruling *r) {
    return r->verdict == TRL_V_ALLOW && !r->failed;
}

void audit_add(struct audit *a, const struct audit_record *r) {
    struct buf one = BUF_INIT;
    write_record(r, loop_wall_ms(a->loop), &one);
    if (one.len > RECORD_BYTES) {
        log_error(a->log, "a record of %zu bytes is too large for the audit: it is lost", one.len);
    } else if (a->pending.len + one.len > PENDING_BYTES) {
        if (a->lost++ == 0) {
            log_error(a->log, "the audit of policy decisions is full in memory: records are lost "
                              "until the store takes them");
        }
    } else {
        if (a->pending.len) {
            buf_add_c(&a->pending, ',');
        }
        buf_add_str(&a->pending, buf_str(&one));
        *VEC_ADD(&a->lens) = (uint32_t)one.len;
    }
    buf_finish(&one);
    if (loop_timer_active(&a->retry)) {
        return;
    }
    if (plain(r->ruling) && a->pending.len < CHUNK_BYTES) {
        if (!a->posted && !a->busy && !loop_timer_active(&a->linger)) {
            loop_timer_start(&a->linger, LINGER_NS);
        }
    } else {
        flush_soon(a);
    }
}

bool audit_idle(const struct audit *a) {
    return !a || (!a->busy && a->pending.len == 0);
}

/* Reading */

struct found {
    int64_t ms;
    char *json; /* owned */
};

struct audit_reading {
    struct audit *audit;
    struct audit_reading *next;
    struct arena arena;
    struct audit_query q;
    VEC(struct found) found;
    void (*done)(void *arg, trl_status st, str json);
    void *arg;
};

static bool matches(const struct audit_query *q, const struct node *o) {
    str tenant = node_text(o, "tenant", STR("_"));
    return (!q->tenant.len || str_eq(q->tenant, tenant)) &&
           (!q->lattice.len || str_is(q->lattice, "_") ||
            str_eq(q->lattice, node_text(o, "lattice", STR_NONE))) &&
           (!q->app.len || str_eq(q->app, node_text(o, "app", STR_NONE))) &&
           (!q->verdict.len || str_eq(q->verdict, node_text(o, "verdict", STR_NONE))) &&
           (int64_t)node_u64_or(o, "ms", 0) >= q->since_ms;
}

static void read_chunk(void *arg, const struct kv_entry *e) {
    struct audit_reading *r = arg;
    struct arena scratch = ARENA_INIT;
    struct node *root = NULL;
    if (json_parse(e->value, &scratch, &root, NULL) == 0 && root->type == NODE_ARRAY) {
        for (uint32_t i = 0; i < root->n; i++) {
            if (matches(&r->q, root->items[i])) {
                struct buf json = BUF_INIT;
                struct jw w;
                jw_init(&w, &json, false);
                jw_node(&w, root->items[i]);
                *VEC_ADD(&r->found) =
                    (struct found){(int64_t)node_u64_or(root->items[i], "ms", 0), buf_take(&json)};
            }
        }
    }
    arena_finish(&scratch);
}

static int by_time(const void *a, const void *b) {
    int64_t x = ((const struct found *)a)->ms, y = ((const struct found *)b)->ms;
    return (x > y) - (x < y);
}

static void reading_free(struct audit_reading *r) {
    for (uint32_t i = 0; i < r->found.n; i++) {
        mem_free(r->found.at[i].json);
    }
    VEC_FREE(&r->found);
    arena_finish(&r->arena);
    mem_free(r);
}

static void unlink_reading(struct audit_reading *r) {
    struct audit_reading **at = &r->audit->readings;
    while (*at != r) {
        at = &(*at)->next;
    }
    *at = r->next;
}

static void read_done(void *arg, trl_status st, const trl_err *err) {
    struct audit_reading *r = arg;
    struct buf out = BUF_INIT;
    (void)err;
    if (r->found.n) { /* chunks of several instances overlap in time */
        qsort(r->found.at, r->found.n, sizeof(*r->found.at), by_time);
    }
    uint32_t from = r->found.n > r->q.limit ? r->found.n - r->q.limit : 0;
    buf_add_c(&out, '[');
    for (uint32_t i = from; i < r->found.n; i++) {
        buf_addf(&out, "%s%s", i > from ? "," : "", r->found.at[i].json);
    }
    buf_add_c(&out, ']');
    unlink_reading(r);
    r->done(r->arg, st, st == TRL_OK ? buf_str(&out) : STR_NONE);
    buf_finish(&out);
    reading_free(r);
}

void audit_read(struct audit *a, const struct audit_query *q,
                void (*done)(void *arg, trl_status st, str json), void *arg) {
    struct audit_reading *r = mem_zalloc(sizeof(*r));
    r->audit = a;
    r->q = (struct audit_query){arena_str(&r->arena, q->tenant),
                                arena_str(&r->arena, q->lattice),
                                arena_str(&r->arena, q->app),
                                arena_str(&r->arena, q->verdict),
                                q->since_ms,
                                q->limit ? q->limit : READ_LIMIT};
    r->done = done;
    r->arg = arg;
    r->next = a->readings;
    a->readings = r;
    if (loop_timer_active(&a->linger)) { /* what was decided before is read */
        loop_timer_stop(&a->linger);
        flush(a);
    }
    kv_list(a->kv, STR(PREFIX), STR(""), 0, read_chunk, read_done, r);
}

/* Life */

static void load_chunk(void *arg, const struct kv_entry *e) {
    struct audit *a = arg;
    str ms = str_skip(e->key, sizeof(PREFIX) - 1), rest;
    uint64_t opened = 0;
    str digits = str_cut(ms, '-', &rest);
    if (!str_u64(digits, &opened)) {
        return;
    }
    *VEC_ADD(&a->chunks) = (struct chunk){str_dup(e->key), (int64_t)opened, e->value.len};
    a->bytes += e->value.len;
}

static void on_loaded(void *arg, trl_status st, const trl_err *err) {
    struct audit *a = arg;
    (void)err;
    if (st != TRL_OK) { /* a store that is not up yet: records wait for it */
        loop_timer_start(&a->retry, RETRY_NS);
        return;
    }
    a->busy = false;
    a->loaded = true;
    if (a->pending.len) {
        flush_soon(a);
    }
}

static void load(struct audit *a) {
    while (a->chunks.n) {
        mem_free(a->chunks.at[--a->chunks.n].key);
    }
    a->bytes = 0;
    a->busy = true; /* writing begins when the past is known */
    kv_list(a->kv, STR(PREFIX), STR(""), 0, load_chunk, on_loaded, a);
}

static void on_linger(void *arg) {
    flush_soon(arg);
}

static void on_retry(void *arg) {
    struct audit *a = arg;
    if (a->loaded) {
        flush_soon(a);
    } else {
        load(a);
    }
}

struct audit *audit_create(struct loop *loop, struct kv *kv, const struct log *log,
                           const struct audit_limits *limits) {
    struct audit *a = mem_zalloc(sizeof(*a));
    a->loop = loop;
    a->kv = kv;
    a->log = log;
    a->limits = *limits;
    a->limits.age_ms = limits->age_ms > 0 ? limits->age_ms : AGE_MS;
    a->limits.bytes = limits->bytes ? limits->bytes : BYTES;
    loop_timer_init(&a->retry, loop, on_retry, a);
    loop_timer_init(&a->linger, loop, on_linger, a);
    load(a);
    return a;
}

void audit_destroy(struct audit *a) {
    if (!a) {
        return;
    }
    loop_timer_stop(&a->retry);
    loop_timer_stop(&a->linger);
    kv_forget(a->kv, a);
    write_last(a);
    while (a->readings) {
        struct audit_reading *r = a->readings;
        a->readings = r->next;
        kv_forget(a->kv, r);
        reading_free(r);
    }
    for (uint32_t i = 0; i < a->chunks.n; i++) {
        mem_free(a->chunks.at[i].key);
    }
    VEC_FREE(&a->chunks);
    buf_finish(&a->open);
    buf_finish(&a->pending);
    buf_finish(&a->writing);
    VEC_FREE(&a->lens);
    a->closing = true;
    if (!a->posted) {
        mem_free(a);
    }
}
