/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls of decide() with everything that came of them, for the cases of the policy suite.
 */
#ifndef TRELLIS_TESTKIT_SUITE_POLICY_PRIV_H
#define TRELLIS_TESTKIT_SUITE_POLICY_PRIV_H

#include "suite_policy.h"
#include "suite_priv.h"

struct heard {
    uint32_t times; /* 1 is right */
    int32_t verdict;
    uint32_t flags, ttl_ms;
    char *reasons; /* owned; "" for none */
};

/* One call of decide(). */
struct deciding {
    struct suite *s;
    trl_op *op; /* NULL once it is over */
    uint32_t n;
    struct heard *heard; /* n of them */
    const char *wrong;   /* of an emission; NULL: nothing */
    int done;
    trl_status st;
    char msg[256];
};

static inline const trl_policy_v1 *policy_of(struct suite *s) {
    return s->table;
}

/* Subjects are handed over in memory of their exact size that is gone once decide() returned, far
 * apart, so that a sanitizer sees a backend that reads too far or too late. timeout_ns <= 0: none.
 */
void deciding_begin(struct suite *s, struct deciding *d, uint32_t point, const str *subjects,
                    uint32_t n, int64_t timeout_ns);
/* Waits until it is over, and checks what holds for every answer. */
void deciding_wait(struct deciding *d);
/* Over or not; what comes later is not heard. */
void deciding_free(struct deciding *d);

/* watch(), by the component's thread model; items are texts. */
void watching_begin(struct suite *s, struct call *c);

#endif
