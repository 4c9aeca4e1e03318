/* SPDX-License-Identifier: Apache-2.0 */
#include "jtree.h"

#include <trellis/helper.h>

#include "jescape.h"
#include "utf8.h"
#include "xmem.h"

#define DEPTH_MAX 128u
#define KEEP_MAX  65536u /* nodes that wait for the next text */

struct reader {
    struct jtree *t;
    const char *p, *end;
    const char *text; /* begins there */
    uint32_t depth;
};

static void blanks(struct reader *r) {
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\r' || *r->p == '\t')) {
        r->p++;
    }
}

static int take(struct reader *r, char c) {
    blanks(r);
    if (r->p < r->end && *r->p == c) {
        r->p++;
        return 1;
    }
    return 0;
}

/* A string is never longer without its escapes, so one reservation holds those of the text. */
static char *room(struct reader *r) {
    struct jtree *t = r->t;
    size_t need = (size_t)(r->end - r->text);
    if (!t->text_len && t->text_cap < need) {
        free(t->text);
        t->text = x_alloc(need);
        t->text_cap = need;
    }
    return t->text + t->text_len;
}

/* From the first backslash on: a copy. */
static int escaped(struct reader *r, const char *start, trl_str *ret) {
    char *copy = room(r), *to = copy;
    size_t n = (size_t)(r->p - start);
    memcpy(to, start, n);
    to += n;
    while (r->p < r->end && *r->p != '"') {
        if (*r->p == '\\') {
            r->p++;
            n = jescape(&r->p, r->end, to);
            if (n == 0 || *to == '\0') {
                return -1;
            }
            to += n;
            continue;
        }
        n = utf8_next(r->p, (size_t)(r->end - r->p));
        if (n == 0 || (unsigned char)*r->p < 0x20) {
            return -1;
        }
        memcpy(to, r->p, n);
        to += n;
        r->p += n;
    }
    *ret = trl_strn(copy, (size_t)(to - copy));
    r->t->text_len += ret->len;
    return 0;
}

/* Behind the opening quote. */
static int string(struct reader *r, trl_str *ret) {
    const char *start = r->p;
    for (;;) {
        r->p += utf8_plain(r->p, (size_t)(r->end - r->p));
        size_t n = utf8_next(r->p, (size_t)(r->end - r->p));
        if (n < 2) {
            break;
        }
        r->p += n;
    }
    *ret = trl_strn(start, (size_t)(r->p - start));
    if (r->p < r->end && *r->p == '\\' && escaped(r, start, ret) < 0) {
        return -1;
    }
    if (r->p >= r->end || *r->p != '"') {
        return -1;
    }
    r->p++;
    return 0;
}

static int digits(struct reader *r) {
    const char *from = r->p;
    while (r->p < r->end && *r->p >= '0' && *r->p <= '9') {
        r->p++;
    }
    return r->p > from ? 0 : -1;
}

static int integer(const char *p, const char *end, int64_t *ret) {
    int minus = *p == '-';
    for (p += minus, *ret = 0; p < end; p++) {
        int d = *p - '0';
        if (__builtin_mul_overflow(*ret, 10, ret) ||
            __builtin_add_overflow(*ret, minus ? -d : d, ret)) {
            return -1;
        }
    }
    return 0;
}

static int number(struct reader *r, struct jnode *n) {
    const char *from = r->p;
    n->kind = J_INT;
    r->p += *r->p == '-';
    const char *first = r->p;
    if (digits(r) < 0 || (*first == '0' && r->p > first + 1)) {
        return -1;
    }
    const char *end = r->p;
    if (r->p < r->end && *r->p == '.') {
        n->kind = J_REAL;
        r->p++;
        if (digits(r) < 0) {
            return -1;
        }
    }
    if (r->p < r->end && (*r->p | 0x20) == 'e') {
        n->kind = J_REAL;
        r->p++;
        r->p += r->p < r->end && (*r->p == '+' || *r->p == '-');
        if (digits(r) < 0) {
            return -1;
        }
    }
    if (n->kind == J_REAL) {
        n->text = trl_strn(from, (size_t)(r->p - from));
        return 0;
    }
    return integer(from, end, &n->integer);
}

static int word(struct reader *r, struct jnode *n) {
    static const struct {
        const char *text;
        size_t len;
        enum jkind kind;
    } words[] = {{"true", 4, J_TRUE}, {"false", 5, J_FALSE}, {"null", 4, J_NULL}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if ((size_t)(r->end - r->p) >= words[i].len &&
            memcmp(r->p, words[i].text, words[i].len) == 0) {
            n->kind = words[i].kind;
            r->p += words[i].len;
            return 0;
        }
    }
    return -1;
}

static int value(struct reader *r, trl_str key);

/* Behind the opening bracket. */
static int container(struct reader *r, char close) {
    trl_str key = {NULL, 0};
    if (++r->depth > DEPTH_MAX) {
        return -1;
    }
    if (!take(r, close)) {
        do {
            if (close == '}' && (!take(r, '"') || string(r, &key) < 0 || !take(r, ':'))) {
                return -1;
            }
            if (value(r, key) < 0) {
                return -1;
            }
        } while (take(r, ','));
        if (!take(r, close)) {
            return -1;
        }
    }
    r->depth--;
    return 0;
}

static int value(struct reader *r, trl_str key) {
    struct jtree *t = r->t;
    size_t at = t->n;
    int rc;
    blanks(r);
    char c = r->p < r->end ? *r->p : '\0';
    t->nodes = x_grow(t->nodes, t->n, &t->cap, sizeof(*t->nodes));
    struct jnode *n = &t->nodes[t->n++];
    *n = (struct jnode){.key = key, .span = 1};
    if (c == '"') {
        n->kind = J_STRING;
        r->p++;
        return string(r, &n->text);
    }
    if (c == '{' || c == '[') {
        n->kind = c == '{' ? J_OBJECT : J_ARRAY;
        r->p++;
        rc = container(r, c == '{' ? '}' : ']');
        t->nodes[at].span = (uint32_t)(t->n - at); /* the array may have moved */
        return rc;
    }
    return c == '-' || (c >= '0' && c <= '9') ? number(r, n) : word(r, n);
}

const struct jnode *jtree_parse(struct jtree *t, const char *text, size_t len) {
    struct reader r = {.t = t, .p = text, .text = text, .end = text + len};
    t->n = t->text_len = 0;
    if (len == 0 || len >= UINT32_MAX || value(&r, (trl_str){NULL, 0}) < 0) {
        return NULL;
    }
    blanks(&r);
    return r.p == r.end && (t->nodes[0].kind == J_OBJECT || t->nodes[0].kind == J_ARRAY) ? t->nodes
                                                                                         : NULL;
}

void jtree_finish(struct jtree *t) {
    free(t->nodes);
    free(t->text);
    memset(t, 0, sizeof(*t));
}

struct jtree jtree_take(struct jtree *spare) {
    struct jtree t = *spare;
    memset(spare, 0, sizeof(*spare));
    return t;
}

void jtree_give(struct jtree *spare, struct jtree *t) {
    if (t->cap > KEEP_MAX || spare->cap > t->cap) {
        jtree_finish(t);
        return;
    }
    jtree_finish(spare);
    *spare = *t;
}

const struct jnode *jnode_first(const struct jnode *parent) {
    return parent && parent->span > 1 ? parent + 1 : NULL;
}

const struct jnode *jnode_next(const struct jnode *parent, const struct jnode *child) {
    const struct jnode *n = child + child->span;
    return n < parent + parent->span ? n : NULL;
}

uint32_t jnode_count(const struct jnode *parent) {
    uint32_t n = 0;
    JNODE_EACH(parent, it) {
        n++;
    }
    return n;
}

const struct jnode *jnode_get(const struct jnode *object, const char *key) {
    const struct jnode *found = NULL;
    size_t len = strlen(key);
    if (!jnode_is(object, J_OBJECT)) {
        return NULL;
    }
    JNODE_EACH(object, it) {
        if (it->key.len == len && memcmp(it->key.ptr, key, len) == 0) {
            found = it;
        }
    }
    return found;
}
