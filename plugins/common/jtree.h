/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads a JSON text (RFC 8259, strictly; an object or an array) into an array of nodes that is used
 * again by the next text. Strings are borrowed from the text, or from the tree when they had
 * escapes: all of it lives until the next jtree_parse, and as long as the text. No string holds a
 * NUL. Of repeated members the last counts.
 */
#ifndef PLUGINS_COMMON_JTREE_H
#define PLUGINS_COMMON_JTREE_H

#include <trellis/abi.h>

enum jkind { J_NULL, J_FALSE, J_TRUE, J_INT, J_REAL, J_STRING, J_ARRAY, J_OBJECT };

struct jnode {
    enum jkind kind;
    uint32_t span; /* nodes of its subtree, itself included: they stand right behind it */
    trl_str key;   /* of a member */
    trl_str text;  /* J_STRING; J_REAL: as it is written */
    int64_t integer;
};

struct jtree { /* zeroed memory is an empty tree */
    struct jnode *nodes;
    size_t n, cap;
    char *text; /* strings without their escapes */
    size_t text_len, text_cap;
};

/* The root, or NULL: it is no JSON, or an integer needs more than 64 bits. */
const struct jnode *jtree_parse(struct jtree *t, const char *text, size_t len);
void jtree_finish(struct jtree *t);
/* A tree out of *spare and back into it, for whoever may be called while another one is in use. */
struct jtree jtree_take(struct jtree *spare);
void jtree_give(struct jtree *spare, struct jtree *t);

/* NULL is a value that is not there: everything below takes it. */
const struct jnode *jnode_get(const struct jnode *object, const char *key);
const struct jnode *jnode_first(const struct jnode *parent); /* element or member; NULL: none */
const struct jnode *jnode_next(const struct jnode *parent, const struct jnode *child);
uint32_t jnode_count(const struct jnode *parent);

#define JNODE_EACH(parent, it)                                                                     \
    for (const struct jnode *it = jnode_first(parent); it; it = jnode_next(parent, it))

static inline int jnode_is(const struct jnode *n, enum jkind kind) {
    return n && n->kind == kind;
}
/* ptr is NULL when it is no string. */
static inline trl_str jnode_str(const struct jnode *n) {
    return n && n->kind == J_STRING ? n->text : (trl_str){NULL, 0};
}

#endif
