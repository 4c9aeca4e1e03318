/* SPDX-License-Identifier: Apache-2.0
 *
 * Cases for rules: files that say what should be decided about which subject.
 */
#ifndef TRELLIS_CLI_POLICY_CASES_H
#define TRELLIS_CLI_POLICY_CASES_H

#include "base/mem.h"
#include "codec/node.h"

struct policy_case {
    str file, name; /* into the arena of the cases */
    uint32_t line;
    uint32_t point;  /* TRL_POINT_* */
    int32_t verdict; /* TRL_V_* */
    bool stop_known, stop;
    const struct node *rules, *codes; /* a text or a list of them; NULL: not looked at */
    str subject;                      /* JSON */
};

struct policy_cases {
    VEC(struct policy_case) all;
    struct arena arena;
};

/* Adds the cases of a file, or of the *.yaml, *.yml and *.json of a directory by name. On failure
 * err says file, line and what. */
int policy_cases_read(struct policy_cases *cs, const char *path, struct err *err);
void policy_cases_finish(struct policy_cases *cs);

/* A text, or the nth of a list of texts; ptr NULL behind the last. */
str policy_case_text(const struct node *n, uint32_t nth);

#endif
