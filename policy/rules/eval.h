/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules held against the facts of one subject.
 */
#ifndef POLICY_RULES_EVAL_H
#define POLICY_RULES_EVAL_H

#include "facts.h"

#define HITS_MAX 16u /* reasons of one verdict */

/* A rule that spoke, and of what; thing NULL: of the whole. */
struct hit {
    struct rule *rule; /* NULL: no rule spoke, the default is */
    const struct thing *thing;
};

struct outcome {
    int32_t verdict;
    bool stop;
    uint32_t ttl_ms;
    struct hit hits[HITS_MAX]; /* of the heaviest verdict; borrowed from rules and facts */
    uint32_t n_hits, n_more;
};

/* Deny overrides warn, warn overrides allow. A rule that denies or warns speaks when it holds for
 * one thing, a rule that allows when it holds for all of them and there is one. */
void eval(const struct ruleset *rs, const struct facts *f, struct outcome *ret);

/* The reasons as a JSON array; nothing is added when there are none. */
void say_reasons(const struct ruleset *rs, const struct facts *f, const struct outcome *o,
                 struct text *to);

#endif
