/* SPDX-License-Identifier: Apache-2.0
 *
 * Conformance suite of policy/1: what kind/policy.h asks of every backend, whatever it decides. The
 * author brings subjects with the verdicts they should get; the suite asks about them one by one,
 * in batches, many at once, damaged, cancelled, and while the backend is stopped.
 */
#ifndef TRELLIS_TESTKIT_SUITE_POLICY_H
#define TRELLIS_TESTKIT_SUITE_POLICY_H

#include "plug/bus.h"
#include "suite.h"

#define SUITE_ANY_VERDICT (-1)

struct suite_policy_case {
    uint32_t point;      /* TRL_POINT_* */
    const char *subject; /* JSON object */
    int32_t verdict;     /* TRL_V_* or SUITE_ANY_VERDICT */
    const char *reason;  /* part of the reasons' JSON; NULL: not looked at */
};

struct suite_policy {
    const char *component;
    const char *config; /* JSON text, or NULL for {} */
    const struct suite_policy_case *cases;
    uint32_t n_cases;
    uint32_t flags; /* SUITE_VIRTUAL */
    /* Makes the rules change so that watch() has to tell, and the cases hold still. Called more
     * than once. NULL: the rules of this config never change. */
    void (*change)(void *arg);
    /* A peer the backend speaks to over host.transport/1; the suite brings transport-inproc. NULL:
     * the backend gets no transport. */
    void *(*up)(void *arg, struct bus *bus, struct loop *loop);
    void (*down)(void *arg, void *peer); /* after the backend is gone */
    void *arg;                           /* of the three */
};

/* Returns how many checks failed; 0 is good. */
int suite_policy(const struct suite_policy *p);

#endif
