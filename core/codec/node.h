/* SPDX-License-Identifier: Apache-2.0
 *
 * A parsed document as a plain tree with positions, whatever it was written in. Nodes live in the
 * arena they were parsed into.
 */
#ifndef TRELLIS_CODEC_NODE_H
#define TRELLIS_CODEC_NODE_H

#include "base/arena.h"
#include "base/err.h"

enum node_type { NODE_NULL, NODE_BOOL, NODE_INT, NODE_FLOAT, NODE_STRING, NODE_ARRAY, NODE_OBJECT };

struct node {
    enum node_type type;
    uint32_t line, column; /* from 1; 0: unknown */
    str text;              /* strings: the value; other scalars: their source text */
    bool boolean;
    bool negative;               /* NODE_INT: the number is -integer */
    uint64_t integer;            /* NODE_INT: magnitude */
    double number;               /* NODE_INT and NODE_FLOAT */
    struct node **items;         /* NODE_ARRAY [n] */
    struct node_member *members; /* NODE_OBJECT [n], in order, repeated keys kept */
    uint32_t n;
    uint32_t flags; /* NODE_* below, about how it was written */
};

#define NODE_LOCAL_TAG 1u /* YAML: has a tag of its own (!x) */
#define NODE_BAD_TAG   2u /* YAML: !!int, !!bool, !!float or !!null on a text that is none */
#define NODE_WIDE      4u /* YAML: an integer beyond 64 bits that wadm's decoder refuses */
#define NODE_INEXACT                                                                               \
    8u /* NODE_FLOAT: an integer beyond 64 bits; NODE_STRING: a number too large                   \
        */

/* A place in a document, from 1; columns count characters. 0: unknown */
struct text_pos {
    uint32_t line, column;
};

struct node_member {
    str key;
    uint32_t line, column;
    struct node *value;
    const struct node *key_node; /* YAML: the key when it is no plain string, else NULL */
};

/* The LAST member of that key; NULL when absent or o is no object (NULL is fine). */
struct node *node_get(const struct node *o, const char *key);
struct node *node_get_str(const struct node *o, str key);
/* Text of a string member; fallback when absent or not a string. */
str node_text(const struct node *o, const char *key, str fallback);
bool node_u64(const struct node *n, uint64_t *ret); /* non-negative integers only */
bool node_is_null(const struct node *n);            /* NULL pointer or NODE_NULL */
uint64_t node_u64_or(const struct node *o, const char *key, uint64_t fallback);
bool node_bool_or(const struct node *o, const char *key, bool fallback);

#endif
