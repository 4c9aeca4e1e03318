/* SPDX-License-Identifier: Apache-2.0
 *
 * Watches and lists: both read the bucket through a feed. A list sorts what it got up to the sync;
 * a watch passes it on and goes on with another feed whenever one breaks.
 */
#include "store_priv.h"
#include "text.h"

#define REOPEN_NS  1000000000 /* a feed that lived shorter is not replaced at once */
#define LIST_TRIES 3

struct entry {
    char *key;
    char *value;
    size_t len;
    uint64_t revision;
    int deleted;
};

struct watch {
    struct kvop k;
    int list;
    char *prefix;
    struct feed *feed;
    int64_t opened_ns, reopen_ns; /* reopen_ns: 0, or when to open another */
    char *said;

    uint64_t from_rev; /* of a watch: only changes, SYNC first; 0 once it is void */
    int changes_only;  /* the present feed began with from_rev */
    int synced;
    int runs;                    /* feeds that reached the sync */
    uint64_t expected, received; /* entries of the state; entries so far */
    uint64_t pending;            /* as the server counts, at the last entry */
    int fresh;                   /* something newer than the feed is among them */
    struct stream_check *settle;
    uint64_t settle_seq;        /* SYNC when this is shown; 0: not known yet */
    uint64_t seen, seen_before; /* highest revision; ... when the feed was opened */
    uint64_t base;              /* highest revision known when the feed was opened */
    uint64_t covered; /* what the feed has shown includes every change up to this revision */

    char *after; /* of a list, as the rest */
    uint32_t limit;
    int tries;
    struct entry *entries;
    size_t n, cap;
};

static void clear_entries(struct watch *w) {
    for (size_t i = 0; i < w->n; i++) {
        free(w->entries[i].key);
        free(w->entries[i].value);
    }
    w->n = 0;
}

static void close_feed(struct watch *w) {
    struct feed *f = w->feed;
    w->feed = NULL;
    stream_check_end(w->settle);
    w->settle = NULL;
    feed_close(f);
}

static void destroy(struct kvop *k) {
    struct watch *w = (struct watch *)k;
    close_feed(w);
    clear_entries(w);
    free(w->entries);
    free(w->prefix);
    free(w->after);
    free(w->said);
    free(w);
}

static const struct feed_handler handler;

static void go(struct kvop *k) {
    struct watch *w = (struct watch *)k;
    trl_inst *in = k->in;
    close_feed(w);
    clear_entries(w);
    if (w->from_rev > in->last_seq) { /* of another life of the bucket */
        w->from_rev = 0;
    }
    w->changes_only = w->from_rev > 0;
    w->synced = w->fresh = 0;
    w->expected = w->received = w->pending = w->settle_seq = 0;
    w->seen_before = w->seen;
    w->base = in->last_seq; /* the consumer is made after those */
    w->covered = w->changes_only ? w->from_rev : w->base;
    w->opened_ns = conn_now_ns();
    w->reopen_ns = 0;
    w->feed =
        feed_open(in, trl_cstr(w->prefix), w->changes_only ? w->from_rev + 1 : 0, &handler, w);
}

static int by_key(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    int c = strcmp(x->key, y->key);
    return c ? c : (x->revision > y->revision) - (x->revision < y->revision);
}

static void list_out(struct watch *w) {
    uint32_t given = 0;
    close_feed(w);
    if (w->n) {
        qsort(w->entries, w->n, sizeof(*w->entries), by_key);
    }
    for (size_t i = 0; i < w->n && (!w->limit || given < w->limit); i++) {
        struct entry *e = &w->entries[i];
        trl_bytes value = {e->value, e->len};
        int newest = i + 1 == w->n || strcmp(e->key, w->entries[i + 1].key) != 0;
        if (newest && !e->deleted && (!*w->after || strcmp(e->key, w->after) > 0)) {
            kvop_emit(&w->k, 0, e->revision, trl_cstr(e->key), value);
            given++;
        }
    }
    kvop_end_after(&w->k);
}

/* May end the op. */
static void sync_now(struct watch *w) {
    trl_bytes none = {NULL, 0};
    w->synced = 1;
    if (w->list) {
        list_out(w);
        return;
    }
    w->runs++;
    kvop_emit(&w->k, TRL_ENTRY_SYNC, w->covered, trl_strn(NULL, 0), none);
}

static void on_settle(void *arg, trl_status st, const struct stream_found *f, const trl_err *err) {
    struct watch *w = arg;
    (void)err;
    w->settle = NULL;
    w->settle_seq = st == TRL_OK && f->last_seq ? f->last_seq : UINT64_MAX; /* else: when idle */
    if (!w->synced && (w->settle_seq <= w->covered || w->pending == 0)) {
        sync_now(w);
    }
}

/* Is the state shown? Yes, if as many entries came as there were, all from before the feed. If
 * something newer is among them, it may be there in the place of entries that it replaced and that
 * the server therefore left out; then what replaced them must be shown too before SYNC, or a key
 * would seem to be gone: go on to what is the newest now. The server's own count of what is pending
 * is only a hint: it can be 0 too early. */
static void check_sync(struct watch *w) {
    int all = w->received >= w->expected;
    if (all && !w->fresh) {
        sync_now(w);
    } else if (w->settle_seq) {
        if (w->covered >= w->settle_seq || w->pending == 0) {
            sync_now(w);
        }
    } else if (!w->settle && (all || w->pending == 0)) {
        w->settle = stream_ensure(&w->k.in->peer, &w->k.in->want, 1, on_settle, w);
    }
}

static void on_start(void *arg, uint64_t pending) {
    struct watch *w = arg;
    w->expected = pending;
    free(w->said);
    w->said = NULL;
    if (w->changes_only || pending == 0) {
        sync_now(w);
    }
}

static void keep_entry(struct watch *w, const struct feed_msg *m) {
    struct entry *e;
    w->entries = x_grow(w->entries, w->n, &w->cap, sizeof(*w->entries));
    e = &w->entries[w->n++];
    e->key = text_of(m->key);
    e->len = m->value.len;
    e->value = e->len ? x_alloc(e->len) : NULL;
    if (e->len) {
        memcpy(e->value, m->value.ptr, e->len);
    }
    e->revision = m->revision;
    e->deleted = m->deleted;
}

/* While the state is emitted, a tombstone counts only if this watch may have shown the key alive:
 * with the last feed, or with this one before it was deleted. */
static int wanted(const struct watch *w, const struct feed_msg *m) {
    if (!trl_str_starts(m->key, trl_cstr(w->prefix))) {
        return 0;
    }
    return w->synced || w->changes_only || !m->deleted || m->revision > w->base ||
           (w->runs > 0 && m->revision > w->seen_before);
}

static void on_entry(void *arg, const struct feed_msg *m) {
    struct watch *w = arg;
    w->received++;
    w->fresh |= m->revision > w->base;
    if (w->list && trl_str_starts(m->key, trl_cstr(w->prefix))) {
        keep_entry(w, m);
    } else if (!w->list && wanted(w, m)) {
        kvop_emit(&w->k, m->deleted ? TRL_ENTRY_DELETED : 0, m->revision, m->key, m->value);
    }
    w->seen = m->revision > w->seen ? m->revision : w->seen;
    w->covered = m->revision > w->covered ? m->revision : w->covered;
    if (w->feed && kvop_full(&w->k)) {
        feed_hold(w->feed, 1);
    }
    w->pending = m->pending;
    if (!w->synced) {
        check_sync(w);
    }
}

static void on_idle(void *arg) {
    struct watch *w = arg;
    if (!w->synced) {
        sync_now(w);
    }
}

static void again(struct watch *w) {
    int64_t now = conn_now_ns();
    w->k.in->resyncs++;
    if (now - w->opened_ns > REOPEN_NS) {
        kvop_go(&w->k);
    } else {
        w->reopen_ns = w->opened_ns + REOPEN_NS;
    }
}

static void on_broken(void *arg, trl_status st, const trl_err *err) {
    struct watch *w = arg;
    w->feed = NULL;
    if (st == TRL_E_NOTFOUND) { /* the stream is gone: find or make it, then go on */
        w->k.waiting = 1;
        bucket_look(w->k.in);
    } else if (st == TRL_E_DENIED || (w->list && st != TRL_OK)) {
        kvop_fail(&w->k, err);
    } else if (w->list && ++w->tries >= LIST_TRIES) {
        kvop_failf(&w->k, TRL_E_UNAVAIL, "nats-kv: listing broke off %d times", w->tries);
    } else if (w->list) {
        kvop_go(&w->k);
    } else {
        if (st != TRL_OK && (!w->said || strcmp(w->said, err->msg) != 0)) {
            trl_logf(w->k.in->peer.host, TRL_LOG_WARN, "%s; trying again", err->msg);
            free(w->said);
            w->said = text_fmt("%s", err->msg);
        }
        again(w);
    }
}

static const struct feed_handler handler = {
    .on_start = on_start,
    .on_entry = on_entry,
    .on_idle = on_idle,
    .on_broken = on_broken,
};

static void link_down(struct kvop *k) {
    struct watch *w = (struct watch *)k;
    if (w->list) {
        if (!k->ends) {
            kvop_fail(k, &k->in->trouble);
        }
        return;
    }
    close_feed(w);
    w->reopen_ns = 0;
    k->waiting = 1;
}

static void tick(struct kvop *k) {
    struct watch *w = (struct watch *)k;
    if (w->feed) {
        feed_tick(w->feed);
    } else if (w->reopen_ns && conn_now_ns() >= w->reopen_ns) {
        kvop_go(k);
    }
}

static void drained(struct kvop *k) {
    struct watch *w = (struct watch *)k;
    if (w->feed) {
        feed_hold(w->feed, 0);
    }
}

static void wiped(struct kvop *k) {
    struct watch *w = (struct watch *)k;
    trl_bytes none = {NULL, 0};
    if (!w->list && (w->synced || w->runs > 0)) {
        kvop_emit(k, TRL_ENTRY_RESET, 0, trl_strn(NULL, 0), none);
    }
    w->seen = w->from_rev = 0;
    w->runs = 0;
    if (!k->ends) {
        close_feed(w);
        k->waiting = 1; /* bucket.c goes through those next */
    }
}

static const struct kvop_kind kind = {
    .go = go,
    .link_down = link_down,
    .tick = tick,
    .drained = drained,
    .wiped = wiped,
    .destroy = destroy,
};

static struct watch *watch_new(trl_str prefix) {
    struct watch *w = x_zalloc(sizeof(*w));
    w->k.kind = &kind;
    w->prefix = text_of(prefix);
    return w;
}

void watch_begin(trl_inst *in, trl_op *op, trl_str prefix, uint64_t from_rev) {
    struct watch *w = watch_new(prefix);
    w->from_rev = from_rev;
    kvop_begin(in, &w->k, op);
}

void list_begin(trl_inst *in, trl_op *op, trl_str prefix, trl_str after, uint32_t limit) {
    struct watch *w = watch_new(prefix);
    w->list = 1;
    w->after = text_of(after);
    w->limit = limit;
    kvop_begin(in, &w->k, op);
}
