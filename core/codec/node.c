/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/node.h"

struct node *node_get_str(const struct node *o, str key) {
    if (!o || o->type != NODE_OBJECT) {
        return NULL;
    }
    for (uint32_t i = o->n; i-- > 0;) {
        if (str_eq(o->members[i].key, key)) {
            return o->members[i].value;
        }
    }
    return NULL;
}

struct node *node_get(const struct node *o, const char *key) {
    return node_get_str(o, str_c(key));
}

str node_text(const struct node *o, const char *key, str fallback) {
    const struct node *n = node_get(o, key);
    return n && n->type == NODE_STRING ? n->text : fallback;
}

bool node_u64(const struct node *n, uint64_t *ret) {
    if (!n || n->type != NODE_INT || n->negative) {
        return false;
    }
    *ret = n->integer;
    return true;
}

bool node_is_null(const struct node *n) {
    return !n || n->type == NODE_NULL;
}

uint64_t node_u64_or(const struct node *o, const char *key, uint64_t fallback) {
    uint64_t v = fallback;
    return node_u64(node_get(o, key), &v) ? v : fallback;
}

bool node_bool_or(const struct node *o, const char *key, bool fallback) {
    const struct node *n = node_get(o, key);
    return n && n->type == NODE_BOOL ? n->boolean : fallback;
}
