/* SPDX-License-Identifier: Apache-2.0
 *
 * What the two halves of the compiler share: errors with places, words and lists of words, and the
 * conditions of a rule.
 */
#ifndef POLICY_RULES_COMPILE_H
#define POLICY_RULES_COMPILE_H

#include "rule.h"

/* Says where and what; always false. */
__attribute__((format(printf, 3, 4))) bool wrong(struct text *err, const struct tree_node *at,
                                                 const char *fmt, ...);
/* Only members of these names (ended by NULL) stand in the map. */
bool only_members(const struct tree_node *map, const char *what, const char *const *names,
                  struct text *err);
/* The nth item of a list, or the node itself when it is none and nth is 0; else NULL. */
const struct tree_node *each(const struct tree_node *n, uint32_t nth);
/* 0 based place of a scalar's text among names; -1, and told, when it is none of them. */
int one_of(const struct tree_node *n, const char *const *names, const char *what, struct text *err);

extern const char *const point_names[]; /* ended by NULL */

/* Reads `match` and `unless` of a rule (either may be NULL) and finds what the rule is about.
 * *ret_points: where everything it looks at can be there. */
bool conditions_read(struct rule *r, const struct tree_node *match, const struct tree_node *unless,
                     uint32_t *ret_points, struct text *err);
/* Which field of the rule is never there at the point, for a text; NULL: none. */
const char *conditions_missing(const struct tree_node *match, const struct tree_node *unless,
                               enum about about, uint32_t point, const struct tree_node **ret_at);
void blocks_finish(struct blocks *b);

#endif
