/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules as they were written: a tree of maps, lists and scalars that knows where each of them
 * stands. Read from YAML (libyaml) or from the JSON of an instance's config.
 */
#ifndef POLICY_RULES_TREE_H
#define POLICY_RULES_TREE_H

#include <stdbool.h>
#include <trellis/abi.h>

#include "text.h"

#define TREE_DEPTH 32u
#define TREE_NODES 200000u
#define FILE_MAX   (1u << 20) /* bytes */

enum tree_type { TREE_SCALAR, TREE_LIST, TREE_MAP };

struct tree_node {
    enum tree_type type;
    uint32_t line, column; /* from 1; 0: it came as JSON */
    const struct tree_node *parent;
    const char *key; /* owned; under which it stands in its parent, or NULL */
    uint32_t index;  /* in its parent */
    char *text;      /* owned; TREE_SCALAR */
    bool is_null;    /* TREE_SCALAR: nothing stands there */
    uint32_t key_line, key_column;
    struct tree_node **items; /* owned, n of them; of a map in order, keys are unlike */
    uint32_t n, cap;
};

/* Both: NULL on failure, and why in *err (one line; YAML: "line:column: text"). */
struct tree_node *tree_read_yaml(trl_str text, struct text *err);
struct tree_node *tree_read_json(trl_str text, struct text *err);
void tree_free(struct tree_node *n); /* NULL is fine */

/* NULL when it is not there; m may be NULL or no map. */
const struct tree_node *tree_get(const struct tree_node *m, const char *key);
/* "12:5", or "/rules/0/match" for JSON; nothing for its root. */
void tree_where(const struct tree_node *n, struct text *to);

#endif
