/* SPDX-License-Identifier: Apache-2.0 */
#include "kvindex.h"

#include "../common/xmem.h"

#define MAX_HEIGHT 16

_Static_assert(offsetof(struct kvrec, data) == offsetof(struct kvrec, e) + sizeof(trl_entry),
               "an item is one piece of memory");

struct kvnode {
    struct kvrec *rec;     /* committed; NULL: a key that is only staged */
    struct kvrec *pending; /* staged last; borrowed from the stage */
    struct kvnode *older, *newer;
    uint32_t height;
    struct kvnode *next[];
};

struct kvrec *kvrec_new(trl_str key, trl_bytes value, uint32_t flags) {
    size_t vlen = flags & TRL_ENTRY_DELETED ? 0 : value.len;
    struct kvrec *r = x_alloc(sizeof(*r) + key.len + vlen);
    memset(r, 0, sizeof(*r));
    r->refs = 1;
    r->e.struct_size = sizeof(r->e);
    r->e.flags = flags;
    r->e.key_len = (uint32_t)key.len;
    r->e.value_len = (uint32_t)vlen;
    if (key.len) {
        memcpy(r->data, key.ptr, key.len);
    }
    if (vlen) {
        memcpy(r->data + key.len, value.ptr, vlen);
    }
    return r;
}

struct kvrec *kvrec_ref(struct kvrec *r) {
    r->refs++;
    return r;
}

void kvrec_unref(struct kvrec *r) {
    if (r && --r->refs == 0) {
        free(r);
    }
}

static trl_str node_key(const struct kvnode *n) {
    return kvrec_key(n->rec ? n->rec : n->pending);
}

static struct kvnode *node_new(uint32_t height) {
    struct kvnode *n = x_zalloc(sizeof(*n) + height * sizeof(struct kvnode *));
    n->height = height;
    return n;
}

void kvindex_init(struct kvindex *ix) {
    memset(ix, 0, sizeof(*ix));
    ix->head = node_new(MAX_HEIGHT);
}

void kvindex_finish(struct kvindex *ix) {
    if (!ix->head) {
        return;
    }
    kvindex_rollback(ix, 0);
    for (struct kvnode *n = ix->head; n;) {
        struct kvnode *next = n->next[0];
        kvrec_unref(n->rec);
        free(n);
        n = next;
    }
    free(ix->staged);
    memset(ix, 0, sizeof(*ix));
}

/* The last node before `key` on each level, into path (may be NULL); returns the first one at or
 * behind it. */
static struct kvnode *descend(const struct kvindex *ix, trl_str key, struct kvnode **path) {
    struct kvnode *at = ix->head;
    for (int level = MAX_HEIGHT - 1; level >= 0; level--) {
        while (at->next[level] && trl_str_cmp(node_key(at->next[level]), key) < 0) {
            at = at->next[level];
        }
        if (path) {
            path[level] = at;
        }
    }
    return at->next[0];
}

static struct kvnode *node_find(const struct kvindex *ix, trl_str key) {
    struct kvnode *n = descend(ix, key, NULL);
    return n && trl_str_eq(node_key(n), key) ? n : NULL;
}

/* A quarter of the nodes reaches each next level; the key decides, so there is nothing to seed. */
static uint32_t height_of(trl_str key) {
    uint64_t h = trl_hash_more(TRL_HASH_INIT, key.ptr, key.len) * 0x9e3779b97f4a7c15ull;
    uint32_t height = 1;
    h ^= h >> 32;
    while (height < MAX_HEIGHT && (h & 3) == 0) {
        h >>= 2;
        height++;
    }
    return height;
}

/* The node of the record's key; a new one has it as pending, so that it has a key. */
static struct kvnode *node_get(struct kvindex *ix, struct kvrec *rec) {
    struct kvnode *path[MAX_HEIGHT];
    struct kvnode *n = descend(ix, kvrec_key(rec), path);
    if (n && trl_str_eq(node_key(n), kvrec_key(rec))) {
        return n;
    }
    n = node_new(height_of(kvrec_key(rec)));
    n->pending = rec;
    for (uint32_t i = 0; i < n->height; i++) {
        n->next[i] = path[i]->next[i];
        path[i]->next[i] = n;
    }
    return n;
}

/* Takes the node out of the skip list; it must still have its key. */
static void node_remove(struct kvindex *ix, struct kvnode *n) {
    struct kvnode *path[MAX_HEIGHT];
    descend(ix, node_key(n), path);
    for (uint32_t i = 0; i < n->height; i++) {
        path[i]->next[i] = n->next[i];
    }
    free(n);
}

static void chain_remove(struct kvindex *ix, struct kvnode *n) {
    *(n->older ? &n->older->newer : &ix->oldest) = n->newer;
    *(n->newer ? &n->newer->older : &ix->newest) = n->older;
    n->older = n->newer = NULL;
}

/* At the end, but for a loader that does not go by revision. */
static void chain_add(struct kvindex *ix, struct kvnode *n) {
    struct kvnode *before = ix->newest;
    while (before && before->rec->e.revision > n->rec->e.revision) {
        before = before->older;
    }
    n->older = before;
    n->newer = before ? before->newer : ix->oldest;
    *(n->older ? &n->older->newer : &ix->oldest) = n;
    *(n->newer ? &n->newer->older : &ix->newest) = n;
}

static void count(struct kvindex *ix, const struct kvrec *r, int sign) {
    if (kvrec_deleted(r)) {
        ix->n_tombstones += (size_t)sign;
    } else {
        ix->n_live += (size_t)sign;
        ix->live_bytes += (uint64_t)((int64_t)sign * (int64_t)(r->e.key_len + r->e.value_len));
    }
}

/* rec's reference is taken. */
static void node_set(struct kvindex *ix, struct kvnode *n, struct kvrec *rec) {
    struct kvrec *old = n->rec;
    if (old) {
        count(ix, old, -1);
        chain_remove(ix, n);
    }
    n->rec = rec;
    count(ix, rec, 1);
    chain_add(ix, n);
    kvrec_unref(old);
}

trl_status kvindex_stage(struct kvindex *ix, struct kvrec *rec, uint64_t expect_rev, trl_err *err) {
    trl_str key = kvrec_key(rec);
    struct kvnode *n = node_find(ix, key);
    const struct kvrec *now = n ? (n->pending ? n->pending : n->rec) : NULL;
    int absent = !now || kvrec_deleted(now);
    uint64_t have = now ? now->e.revision : 0;
    if (expect_rev == TRL_REV_ABSENT ? !absent : expect_rev != TRL_REV_ANY && expect_rev != have) {
        if (absent) {
            return trl_errf(err, TRL_E_CONFLICT, "key %.*s is absent, revision %llu was expected",
                            (int)key.len, key.ptr, (unsigned long long)expect_rev);
        }
        return trl_errf(err, TRL_E_CONFLICT, "key %.*s is at revision %llu, %llu was expected",
                        (int)key.len, key.ptr, (unsigned long long)have,
                        (unsigned long long)expect_rev);
    }
    rec->e.revision = ix->revision + ix->n_staged + 1;
    if (!n) {
        n = node_get(ix, rec);
        n->pending = NULL;
    }
    ix->staged = x_grow(ix->staged, ix->n_staged, &ix->cap_staged, sizeof(*ix->staged));
    ix->staged[ix->n_staged++] = (struct kvstage){n, kvrec_ref(rec), n->pending};
    n->pending = rec;
    return TRL_OK;
}

size_t kvindex_mark(const struct kvindex *ix) {
    return ix->n_staged;
}

void kvindex_rollback(struct kvindex *ix, size_t mark) {
    while (ix->n_staged > mark) {
        struct kvstage *s = &ix->staged[--ix->n_staged];
        if (s->before || s->node->rec) {
            s->node->pending = s->before;
        } else {
            node_remove(ix, s->node);
        }
        kvrec_unref(s->rec);
    }
}

void kvindex_commit(struct kvindex *ix, void (*on_change)(void *arg, struct kvrec *r), void *arg) {
    for (size_t i = 0; i < ix->n_staged; i++) {
        struct kvstage *s = &ix->staged[i];
        node_set(ix, s->node, s->rec);
        if (s->node->pending == s->rec) {
            s->node->pending = NULL;
        }
        ix->revision = s->rec->e.revision;
        on_change(arg, s->rec);
    }
    ix->n_staged = 0;
}

void kvindex_load(struct kvindex *ix, struct kvrec *rec) {
    struct kvnode *n = node_get(ix, rec);
    node_set(ix, n, kvrec_ref(rec));
    n->pending = NULL;
}

void kvindex_loaded(struct kvindex *ix, uint64_t revision, uint64_t floor) {
    ix->revision = revision;
    ix->floor = floor;
}

struct kvrec *kvindex_find(const struct kvindex *ix, trl_str key) {
    struct kvnode *n = node_find(ix, key);
    return n ? n->rec : NULL;
}

static struct kvnode *skip_dead(struct kvnode *n) {
    while (n && (!n->rec || kvrec_deleted(n->rec))) {
        n = n->next[0];
    }
    return n;
}

struct kvnode *kvindex_seek(const struct kvindex *ix, trl_str from, int exclusive) {
    struct kvnode *n = descend(ix, from, NULL);
    if (n && exclusive && trl_str_eq(node_key(n), from)) {
        n = n->next[0];
    }
    return skip_dead(n);
}

struct kvnode *kvindex_next(const struct kvnode *n) {
    return skip_dead(n->next[0]);
}

struct kvrec *kvindex_rec(const struct kvnode *n) {
    return n->rec;
}

void kvindex_since(const struct kvindex *ix, uint64_t rev, void (*fn)(void *arg, struct kvrec *r),
                   void *arg) {
    struct kvnode *n = ix->newest;
    while (n && n->rec->e.revision > rev) {
        n = n->older;
    }
    for (n = n ? n->newer : ix->oldest; n; n = n->newer) {
        fn(arg, n->rec);
    }
}

void kvindex_drop_tombstones(struct kvindex *ix) {
    for (struct kvnode *n = ix->oldest; n;) {
        struct kvnode *newer = n->newer;
        if (kvrec_deleted(n->rec)) {
            struct kvrec *r = n->rec;
            ix->floor = r->e.revision > ix->floor ? r->e.revision : ix->floor;
            count(ix, r, -1);
            chain_remove(ix, n);
            node_remove(ix, n);
            kvrec_unref(r);
        }
        n = newer;
    }
}
