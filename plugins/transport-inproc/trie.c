/* SPDX-License-Identifier: Apache-2.0 */
#include "trie.h"

#include "../common/xmem.h"

struct trie_node {
    uint64_t id, hash;
    struct trie_node *parent, *bucket_next;
    struct trie_node *star, *rest; /* the children '*' and '>' */
    uint32_t n_children, token_len;
    struct trie_link *first, *last;
    char token[];
};

static trl_str next_token(trl_str *left) {
    const char *dot = left->len ? memchr(left->ptr, '.', left->len) : NULL;
    trl_str token = trl_strn(left->ptr, dot ? (size_t)(dot - left->ptr) : left->len);
    size_t skip = token.len + (dot ? 1 : 0);
    left->len -= skip;
    left->ptr = left->len ? left->ptr + skip : NULL;
    return token;
}

int subject_ok(trl_str s, int wildcards) {
    if (!s.len || s.ptr[s.len - 1] == '.') {
        return 0;
    }
    while (s.len) {
        trl_str token = next_token(&s);
        if (!token.len) {
            return 0;
        }
        for (size_t i = 0; i < token.len; i++) {
            unsigned char c = (unsigned char)token.ptr[i];
            if (c <= ' ' || c == 0x7f) {
                return 0;
            }
        }
        if (trl_str_is(token, "*") && !wildcards) {
            return 0;
        }
        if (trl_str_is(token, ">") && (!wildcards || s.len)) {
            return 0;
        }
    }
    return 1;
}

static struct trie_node *node_new(struct trie *t, struct trie_node *parent, trl_str token) {
    struct trie_node *n = x_zalloc(sizeof(*n) + token.len);
    n->id = ++t->last_id;
    n->parent = parent;
    n->token_len = (uint32_t)token.len;
    if (token.len) {
        memcpy(n->token, token.ptr, token.len);
    }
    if (parent) {
        parent->n_children++;
    }
    return n;
}

void trie_init(struct trie *t) {
    memset(t, 0, sizeof(*t));
    t->n_buckets = 64;
    t->buckets = x_zalloc_n(t->n_buckets, sizeof(struct trie_node *));
    t->root = node_new(t, NULL, trl_strn(NULL, 0));
}

static void free_wild(struct trie_node *n) {
    struct trie_node *star = n->star;
    free(n->rest);
    while (star) {
        struct trie_node *below = star->star;
        free(star->rest);
        free(star);
        star = below;
    }
}

void trie_finish(struct trie *t) {
    for (size_t i = 0; i < t->n_buckets; i++) {
        while (t->buckets[i]) {
            struct trie_node *n = t->buckets[i];
            t->buckets[i] = n->bucket_next;
            free_wild(n);
            free(n);
        }
    }
    if (t->root) {
        free_wild(t->root);
        free(t->root);
    }
    free(t->buckets);
    memset(t, 0, sizeof(*t));
}

static uint64_t edge_hash(const struct trie_node *parent, trl_str token) {
    uint64_t h =
        trl_hash_more(TRL_HASH_INIT ^ (parent->id * 0x9e3779b97f4a7c15ull), token.ptr, token.len);
    return h ^ (h >> 32);
}

static struct trie_node *child_find(const struct trie *t, const struct trie_node *parent,
                                    trl_str token) {
    uint64_t h;
    if (!parent->n_children) {
        return NULL;
    }
    h = edge_hash(parent, token);
    for (struct trie_node *n = t->buckets[h & (t->n_buckets - 1)]; n; n = n->bucket_next) {
        if (n->hash == h && n->parent == parent &&
            trl_str_eq(trl_strn(n->token, n->token_len), token)) {
            return n;
        }
    }
    return NULL;
}

static void rehash(struct trie *t) {
    size_t want = t->n_buckets * 2;
    struct trie_node **to = x_zalloc_n(want, sizeof(struct trie_node *));
    for (size_t i = 0; i < t->n_buckets; i++) {
        while (t->buckets[i]) {
            struct trie_node *n = t->buckets[i];
            t->buckets[i] = n->bucket_next;
            n->bucket_next = to[n->hash & (want - 1)];
            to[n->hash & (want - 1)] = n;
        }
    }
    free(t->buckets);
    t->buckets = to;
    t->n_buckets = want;
}

static struct trie_node *child_get(struct trie *t, struct trie_node *parent, trl_str token) {
    struct trie_node **wild = NULL, *n;
    if (trl_str_is(token, "*")) {
        wild = &parent->star;
    } else if (trl_str_is(token, ">")) {
        wild = &parent->rest;
    }
    n = wild ? *wild : child_find(t, parent, token);
    if (n) {
        return n;
    }
    n = node_new(t, parent, token);
    if (wild) {
        *wild = n;
        return n;
    }
    if (t->n_nodes++ >= t->n_buckets) {
        rehash(t);
    }
    n->hash = edge_hash(parent, token);
    n->bucket_next = t->buckets[n->hash & (t->n_buckets - 1)];
    t->buckets[n->hash & (t->n_buckets - 1)] = n;
    return n;
}

void trie_add(struct trie *t, trl_str pattern, struct trie_link *l) {
    struct trie_node *n = t->root;
    while (pattern.len) {
        n = child_get(t, n, next_token(&pattern));
    }
    l->node = n;
    l->next = NULL;
    l->prev = n->last;
    if (n->last) {
        n->last->next = l;
    } else {
        n->first = l;
    }
    n->last = l;
}

static void node_drop(struct trie *t, struct trie_node *n) {
    struct trie_node *parent = n->parent;
    if (parent->star == n) {
        parent->star = NULL;
    } else if (parent->rest == n) {
        parent->rest = NULL;
    } else {
        struct trie_node **at = &t->buckets[n->hash & (t->n_buckets - 1)];
        while (*at != n) {
            at = &(*at)->bucket_next;
        }
        *at = n->bucket_next;
        t->n_nodes--;
    }
    parent->n_children--;
    free(n);
}

void trie_remove(struct trie *t, struct trie_link *l) {
    struct trie_node *n = l->node;
    if (!n) {
        return;
    }
    if (l->prev) {
        l->prev->next = l->next;
    } else {
        n->first = l->next;
    }
    if (l->next) {
        l->next->prev = l->prev;
    } else {
        n->last = l->prev;
    }
    l->node = NULL;
    while (n->parent && !n->first && !n->n_children) {
        struct trie_node *up = n->parent;
        node_drop(t, n);
        n = up;
    }
}

struct matcher {
    const struct trie *t;
    void (*fn)(void *arg, struct trie_link *l);
    void *arg;
};

static void emit_links(const struct matcher *m, const struct trie_node *n) {
    struct trie_link *l = n->first;
    while (l) {
        struct trie_link *next = l->next;
        m->fn(m->arg, l);
        l = next;
    }
}

/* The depth is that of the deepest pattern, not of the subject. */
static void match_below(const struct matcher *m, const struct trie_node *n, trl_str left) {
    const struct trie_node *child;
    trl_str token;
    if (!left.len) {
        emit_links(m, n);
        return;
    }
    if (n->rest) {
        emit_links(m, n->rest);
    }
    token = next_token(&left);
    child = child_find(m->t, n, token);
    if (child) {
        match_below(m, child, left);
    }
    if (n->star) {
        match_below(m, n->star, left);
    }
}

void trie_match(const struct trie *t, trl_str subject, void (*fn)(void *arg, struct trie_link *l),
                void *arg) {
    struct matcher m = {t, fn, arg};
    if (subject.len) {
        match_below(&m, t->root, subject);
    }
}
