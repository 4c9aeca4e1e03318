/* SPDX-License-Identifier: Apache-2.0 */
#include "api/journal.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "codec/json.h"
#include "plug/loop.h"

#define BATCH_NS        (1000 * 1000000ll)
#define BATCH_MAX_BYTES (512u * 1024u)
#define PREFIX          "2.journal."

struct slot {
    struct journal_entry e; /* its strings live in block */
    char *block;
};

struct journal {
    struct loop *loop;
    struct kv *kv;
    const struct log *log;
    struct slot *ring;   /* [JOURNAL_ENTRIES], by seq modulo */
    uint64_t seq, first; /* first: the oldest in the ring; 0: none */
    uint64_t stored;     /* up to here handed to the store */
    uint64_t loaded_seq; /* up to here found in the store at the start */
    uint64_t batch;      /* number of the next batch */
    struct loop_timer timer;
    bool loading;
    VEC(struct slot) loaded;
    void (*settle)(void *arg); /* NULL: nobody holds anything back */
    void *settle_arg;
};

void journal_before_read(struct journal *j, void (*settle)(void *arg), void *arg) {
    j->settle = settle;
    j->settle_arg = arg;
}

static void settle(struct journal *j) {
    if (j->settle) {
        j->settle(j->settle_arg);
    }
}

static str put(char **at, str s) {
    char *p = *at;
    if (s.len) {
        memcpy(p, s.ptr, s.len);
    }
    *at += s.len;
    return str_n(p, s.len);
}

static struct slot slot_dup(const struct journal_entry *e) {
    struct slot s = {.e = *e};
    char *at = s.block =
        mem_alloc(e->tenant.len + e->lattice.len + e->app.len + e->kind.len + e->json.len + 1);
    s.e.tenant = put(&at, e->tenant);
    s.e.lattice = put(&at, e->lattice);
    s.e.app = put(&at, e->app);
    s.e.kind = put(&at, e->kind);
    s.e.json = put(&at, e->json);
    return s;
}

static void keep(struct journal *j, const struct slot *s) {
    struct slot *at = &j->ring[s->e.seq % JOURNAL_ENTRIES];
    mem_free(at->block);
    *at = *s;
    if (j->first == 0) {
        j->first = s->e.seq;
    }
    if (s->e.seq >= JOURNAL_ENTRIES && j->first <= s->e.seq - JOURNAL_ENTRIES) {
        j->first = s->e.seq - JOURNAL_ENTRIES + 1;
    }
    j->seq = s->e.seq;
}

static void write_entry(struct jw *w, const struct journal_entry *e) {
    jw_object(w);
    jw_kv_u64(w, "seq", e->seq);
    jw_kv_u64(w, "wall_ms", e->wall_ms < 0 ? 0 : (uint64_t)e->wall_ms);
    jw_kv(w, "tenant", e->tenant);
    jw_kv(w, "lattice", e->lattice);
    jw_kv(w, "app", e->app);
    jw_kv(w, "kind", e->kind);
    jw_key(w, "entry");
    jw_raw(w, e->json);
    jw_end_object(w);
}

static void on_stored(void *arg, trl_status st, uint64_t revision, const trl_err *err) {
    (void)arg, (void)st, (void)revision, (void)err; /* never the truth: a lost batch is bearable */
}

static void flush(struct journal *j) {
    while (j->kv && j->stored < j->seq) {
        struct buf key = BUF_INIT, value = BUF_INIT;
        struct jw w;
        uint64_t from = j->stored + 1 > j->first ? j->stored + 1 : j->first;
        jw_init(&w, &value, false);
        jw_object(&w);
        jw_kv_u64(&w, "format", 1);
        jw_kv_u64(&w, "batch", j->batch);
        jw_key(&w, "entries");
        jw_array(&w);
        for (; from <= j->seq && value.len < BATCH_MAX_BYTES; from++) {
            write_entry(&w, &j->ring[from % JOURNAL_ENTRIES].e);
        }
        jw_end_array(&w);
        jw_end_object(&w);
        j->stored = from - 1;
        buf_addf(&key, PREFIX "%llu", (unsigned long long)(j->batch++ % JOURNAL_BATCHES));
        kv_put(j->kv, buf_str(&key), buf_str(&value), TRL_REV_ANY, on_stored, NULL);
        buf_finish(&value);
        buf_finish(&key);
    }
}

static void on_timer(void *arg) {
    struct journal *j = arg;
    if (!j->loading) {
        flush(j);
    }
}

static void load_batch(struct journal *j, const struct node *root) {
    const struct node *list = node_get(root, "entries");
    uint64_t batch = node_u64_or(root, "batch", 0);
    j->batch = batch >= j->batch ? batch + 1 : j->batch;
    for (uint32_t i = 0; list && list->type == NODE_ARRAY && i < list->n; i++) {
        const struct node *o = list->items[i];
        struct buf json = BUF_INIT;
        struct jw w;
        jw_init(&w, &json, false);
        if (node_get(o, "entry") && node_u64_or(o, "seq", 0)) {
            jw_node(&w, node_get(o, "entry"));
            struct journal_entry e = {node_u64_or(o, "seq", 0),
                                      (int64_t)node_u64_or(o, "wall_ms", 0),
                                      node_text(o, "tenant", STR("")),
                                      node_text(o, "lattice", STR("")),
                                      node_text(o, "app", STR("")),
                                      node_text(o, "kind", STR("")),
                                      buf_str(&json)};
            *VEC_ADD(&j->loaded) = slot_dup(&e);
        }
        buf_finish(&json);
    }
}

static void on_batch(void *arg, const struct kv_entry *x) {
    struct arena a = ARENA_INIT;
    struct node *root = NULL;
    if (json_parse(x->value, &a, &root, NULL) == 0) {
        load_batch(arg, root);
    }
    arena_finish(&a);
}

static int by_seq(const void *a, const void *b) {
    uint64_t x = ((const struct slot *)a)->e.seq, y = ((const struct slot *)b)->e.seq;
    return (x > y) - (x < y);
}

/* What was added while loading gets new numbers behind what was loaded. */
static void on_list_done(void *arg, trl_status st, const trl_err *err) {
    struct journal *j = arg;
    VEC(struct slot) fresh = {NULL, 0, 0};
    (void)err;
    for (uint64_t s = j->first; j->first && s <= j->seq; s++) {
        struct slot *at = &j->ring[s % JOURNAL_ENTRIES];
        *VEC_ADD(&fresh) = *at;
        *at = (struct slot){0};
    }
    j->first = j->seq = 0;
    if (j->loaded.n) {
        qsort(j->loaded.at, j->loaded.n, sizeof(*j->loaded.at), by_seq);
    }
    for (uint32_t i = 0; i < j->loaded.n; i++) {
        struct slot *s = &j->loaded.at[i];
        if (s->e.seq <= j->seq) {
            mem_free(s->block);
            continue;
        }
        keep(j, s);
    }
    j->stored = j->loaded_seq = j->seq;
    for (uint32_t i = 0; i < fresh.n; i++) {
        fresh.at[i].e.seq = j->seq + 1;
        keep(j, &fresh.at[i]);
    }
    VEC_FREE(&fresh);
    VEC_FREE(&j->loaded);
    j->loading = false;
    if (st != TRL_OK) {
        log_warn(j->log, "journal: earlier events could not be read from the store (%s)",
                 err_name(st));
    }
    if (j->stored < j->seq) {
        loop_timer_start(&j->timer, BATCH_NS);
    }
}

struct journal *journal_create(struct loop *loop, struct kv *kv, const struct log *log) {
    struct journal *j = mem_zalloc(sizeof(*j));
    j->loop = loop;
    j->kv = kv;
    j->log = log;
    j->ring = mem_array(JOURNAL_ENTRIES, sizeof(*j->ring));
    loop_timer_init(&j->timer, loop, on_timer, j);
    if (kv) {
        j->loading = true;
        kv_list(kv, STR(PREFIX), STR(""), 0, on_batch, on_list_done, j);
    }
    return j;
}

void journal_destroy(struct journal *j) {
    if (!j) {
        return;
    }
    loop_timer_stop(&j->timer);
    if (!j->loading) {
        flush(j);
    }
    for (uint32_t i = 0; i < JOURNAL_ENTRIES; i++) {
        mem_free(j->ring[i].block);
    }
    for (uint32_t i = 0; i < j->loaded.n; i++) {
        mem_free(j->loaded.at[i].block);
    }
    VEC_FREE(&j->loaded);
    mem_free(j->ring);
    mem_free(j);
}

uint64_t journal_add(struct journal *j, const struct journal_entry *e) {
    struct journal_entry numbered = *e;
    struct slot s;
    numbered.seq = j->seq + 1;
    s = slot_dup(&numbered);
    keep(j, &s);
    if (j->kv && !j->loading && !loop_timer_active(&j->timer)) {
        loop_timer_start(&j->timer, BATCH_NS);
    }
    return j->seq;
}

static bool matches(const struct journal_entry *e, str tenant, str lattice, str app) {
    return str_eq(e->tenant, tenant) && (str_is(lattice, "_") || str_eq(e->lattice, lattice)) &&
           (app.len == 0 || str_eq(e->app, app));
}

void journal_read(struct journal *j, str tenant, str lattice, str app, uint64_t after,
                  uint32_t limit, void (*fn)(void *arg, const struct journal_entry *e), void *arg) {
    settle(j);
    uint64_t first = after + 1 > j->first ? after + 1 : j->first, from = j->seq + 1;
    uint32_t n = 0;
    if (j->first == 0) {
        return;
    }
    while (from > first && n < limit) {
        const struct journal_entry *e = &j->ring[(from - 1) % JOURNAL_ENTRIES].e;
        n += e->seq == from - 1 && matches(e, tenant, lattice, app);
        from--;
    }
    for (; from <= j->seq; from++) {
        const struct journal_entry *e = &j->ring[from % JOURNAL_ENTRIES].e;
        if (e->seq == from && matches(e, tenant, lattice, app)) {
            fn(arg, e);
        }
    }
}

bool journal_span(struct journal *j, uint64_t *first, uint64_t *last, uint64_t *loaded) {
    settle(j);
    *first = j->first;
    *last = j->seq;
    *loaded = j->loaded_seq;
    return !j->loading;
}

uint64_t journal_next(struct journal *j, uint64_t after, uint32_t max,
                      void (*fn)(void *arg, const struct journal_entry *e), void *arg) {
    settle(j);
    uint64_t s = after + 1 > j->first ? after + 1 : j->first;
    for (; j->first && !j->loading && s <= j->seq && max > 0; s++) {
        const struct journal_entry *e = &j->ring[s % JOURNAL_ENTRIES].e;
        after = s;
        if (e->seq == s) {
            max--;
            fn(arg, e);
        }
    }
    return after;
}
