/* SPDX-License-Identifier: Apache-2.0 */
#include "kvserve.h"

#include "../common/xmem.h"

/* A watch that is this far behind its start is ended: it would only grow. */
#define BEHIND_MAX       65536u
#define BEHIND_BYTES_MAX (128u << 20)

/* A stream of entries to one op. */
struct kvfeed {
    trl_op *op;
    struct kvfeed *prev, *next;
    struct kvrec **ring; /* waiting for resume(), in order */
    size_t cap, head, n, bytes;
    size_t n_max, bytes_max;
    int paused;  /* above the core's high mark */
    int over;    /* the core said CLOSED; cancel() will come */
    int endless; /* a watch; else it ends when drained */
    size_t prefix_len;
    char prefix[];
};

void kvserve_init(struct kvserve *s, const trl_host *host) {
    memset(s, 0, sizeof(*s));
    s->host = host;
    kvindex_init(&s->ix);
}

static struct kvfeed *feed_new(struct kvserve *s, trl_op *op, trl_str prefix, int endless) {
    struct kvfeed *f = x_zalloc(sizeof(*f) + prefix.len);
    f->op = op;
    f->endless = endless;
    f->n_max = f->bytes_max = SIZE_MAX;
    f->prefix_len = prefix.len;
    if (prefix.len) {
        memcpy(f->prefix, prefix.ptr, prefix.len);
    }
    f->prev = s->last;
    *(s->last ? &s->last->next : &s->first) = f;
    s->last = f;
    s->n_watches += (size_t)endless;
    u64map_put(&s->by_op, u64map_ptr_key(op), f);
    return f;
}

static void feed_free(struct kvserve *s, struct kvfeed *f) {
    u64map_take(&s->by_op, u64map_ptr_key(f->op));
    *(f->prev ? &f->prev->next : &s->first) = f->next;
    *(f->next ? &f->next->prev : &s->last) = f->prev;
    s->n_watches -= (size_t)f->endless;
    for (size_t i = 0; i < f->n; i++) {
        kvrec_unref(f->ring[(f->head + i) & (f->cap - 1)]);
    }
    free(f->ring);
    free(f);
}

static void feed_end(struct kvserve *s, struct kvfeed *f, trl_status st, const char *text) {
    trl_op *op = f->op;
    trl_bytes none = {NULL, 0};
    feed_free(s, f);
    if (text) {
        trl_op_fail(s->host, op, st, text);
    } else {
        s->host->op_done(op, st, none, NULL);
    }
}

void kvserve_stop(struct kvserve *s) {
    while (s->first) {
        feed_end(s, s->first, TRL_E_CANCELLED, NULL);
    }
}

void kvserve_finish(struct kvserve *s) {
    while (s->first) {
        feed_free(s, s->first);
    }
    u64map_finish(&s->by_op);
    kvindex_finish(&s->ix);
}

static void feed_keep(struct kvfeed *f, struct kvrec *r) {
    if (f->n == f->cap) {
        size_t cap = f->cap ? f->cap * 2 : 16;
        struct kvrec **ring = x_zalloc_n(cap, sizeof(struct kvrec *));
        for (size_t i = 0; i < f->n; i++) {
            ring[i] = f->ring[(f->head + i) & (f->cap - 1)];
        }
        free(f->ring);
        f->ring = ring;
        f->cap = cap;
        f->head = 0;
    }
    f->ring[(f->head + f->n++) & (f->cap - 1)] = kvrec_ref(r);
    f->bytes += kvrec_item(r).len;
}

static void feed_push(struct kvserve *s, struct kvfeed *f, struct kvrec *r) {
    if (f->over) {
        return;
    }
    if (!f->paused) {
        trl_status st = s->host->op_emit(f->op, kvrec_item(r));
        if (st == TRL_E_BUSY) {
            f->paused = 1;
        } else {
            f->over = st != TRL_OK;
            return;
        }
    }
    feed_keep(f, r);
}

/* Empty and not endless: the end. */
static void feed_settle(struct kvserve *s, struct kvfeed *f) {
    if (!f->paused && !f->over && !f->endless) {
        feed_end(s, f, TRL_OK, NULL);
    }
}

void kvserve_get(struct kvserve *s, trl_op *op, trl_str key) {
    struct kvrec *r;
    struct kvfeed *f;
    if (!trl_key_ok(key)) {
        trl_op_fail(s->host, op, TRL_E_INVALID, "get: not a legal key");
        return;
    }
    r = kvindex_find(&s->ix, key);
    if (!r || kvrec_deleted(r)) {
        trl_op_fail(s->host, op, TRL_E_NOTFOUND, "no such key");
        return;
    }
    f = feed_new(s, op, trl_strn(NULL, 0), 0);
    feed_push(s, f, r);
    feed_settle(s, f);
}

static void push_live(struct kvserve *s, struct kvfeed *f, trl_str prefix, trl_str after,
                      uint32_t limit) {
    int behind = after.len && trl_str_cmp(after, prefix) >= 0;
    struct kvnode *n = kvindex_seek(&s->ix, behind ? after : prefix, behind);
    for (uint32_t i = 0; n && (limit == 0 || i < limit); i++) {
        struct kvrec *r = kvindex_rec(n);
        if (!trl_str_starts(kvrec_key(r), prefix)) {
            break;
        }
        feed_push(s, f, r);
        n = kvindex_next(n);
    }
}

void kvserve_list(struct kvserve *s, trl_op *op, trl_str prefix, trl_str after, uint32_t limit) {
    struct kvfeed *f = feed_new(s, op, trl_strn(NULL, 0), 0);
    push_live(s, f, prefix, after, limit);
    feed_settle(s, f);
}

struct since {
    struct kvserve *s;
    struct kvfeed *f;
};

static void push_since(void *arg, struct kvrec *r) {
    struct since *a = arg;
    if (trl_str_starts(kvrec_key(r), trl_strn(a->f->prefix, a->f->prefix_len))) {
        feed_push(a->s, a->f, r);
    }
}

static void push_sync(struct kvserve *s, struct kvfeed *f) {
    trl_bytes none = {NULL, 0};
    struct kvrec *sync = kvrec_new(trl_strn(NULL, 0), none, TRL_ENTRY_SYNC);
    sync->e.revision = s->ix.revision;
    feed_push(s, f, sync);
    kvrec_unref(sync);
}

void kvserve_watch(struct kvserve *s, trl_op *op, trl_str prefix, uint64_t from_rev) {
    struct since since = {s, NULL};
    if (from_rev && from_rev < s->ix.floor) {
        trl_op_fail(s->host, op, TRL_E_NOTFOUND,
                    "changes after that revision are not all kept any more: watch from 0");
        return;
    }
    since.f = feed_new(s, op, prefix, 1);
    if (from_rev) {
        push_sync(s, since.f);
        kvindex_since(&s->ix, from_rev, push_since, &since);
    } else {
        push_live(s, since.f, prefix, trl_strn(NULL, 0), 0);
        push_sync(s, since.f);
    }
    since.f->n_max = since.f->n + BEHIND_MAX;
    since.f->bytes_max = since.f->bytes + BEHIND_BYTES_MAX;
}

int kvserve_cancel(struct kvserve *s, trl_op *op) {
    struct kvfeed *f = u64map_find(&s->by_op, u64map_ptr_key(op));
    if (f) {
        feed_end(s, f, TRL_E_CANCELLED, NULL);
    }
    return f != NULL;
}

void kvserve_resume(struct kvserve *s, trl_op *op) {
    struct kvfeed *f = u64map_find(&s->by_op, u64map_ptr_key(op));
    if (!f || !f->paused) {
        return;
    }
    while (f->n) {
        struct kvrec *r = f->ring[f->head];
        trl_status st = s->host->op_emit(op, kvrec_item(r));
        if (st == TRL_E_BUSY) {
            return;
        }
        if (st != TRL_OK) {
            f->over = 1;
            return;
        }
        f->head = (f->head + 1) & (f->cap - 1);
        f->n--;
        f->bytes -= kvrec_item(r).len;
        kvrec_unref(r);
    }
    f->paused = 0;
    feed_settle(s, f);
}

static void on_change(void *arg, struct kvrec *r) {
    struct kvserve *s = arg;
    if (!s->n_watches) {
        return;
    }
    for (struct kvfeed *f = s->first; f;) {
        struct kvfeed *next = f->next;
        if (f->endless && trl_str_starts(kvrec_key(r), trl_strn(f->prefix, f->prefix_len))) {
            feed_push(s, f, r);
            if (f->n > f->n_max || f->bytes > f->bytes_max) {
                trl_logf(s->host, TRL_LOG_WARN,
                         "a watch of \"%.*s\" is %zu changes behind and was ended",
                         (int)f->prefix_len, f->prefix, f->n);
                feed_end(s, f, TRL_E_BUSY, "the watch fell too far behind: start it again");
            }
        }
        f = next;
    }
}

void kvserve_commit(struct kvserve *s) {
    kvindex_commit(&s->ix, on_change, s);
}
