/* SPDX-License-Identifier: Apache-2.0
 *
 * The chains of a control plane: which backends are asked at which point, what their verdicts come
 * to, how long that holds. Deny overrides, then warn, then allow; a chain where nobody has an
 * opinion allows. All on the loop.
 */
#ifndef TRELLIS_POLICY_POLICY_H
#define TRELLIS_POLICY_POLICY_H

#include <trellis/kind/policy.h>

#include "base/log.h"
#include "plug/plug.h"
#include "policy/audit.h"
#include "policy/ruling.h"

struct policy_chains;
struct policy_ask;

struct policy_backend {
    struct plug_inst *in; /* started policy/1 instance, borrowed */
    str name;             /* for reasons and the audit: "rules" */
    uint32_t points;      /* bit n: in the chain of point n */
    uint32_t open;        /* bit n: at point n it is done without when it fails (on_error: allow) */
    int64_t timeout_ns[TRL_POINTS]; /* of one call at that point; <= 0: 2 s */
};

struct policy_env {
    struct loop *loop;
    const struct log *log;
    struct audit *audit;                   /* NULL: none */
    const struct policy_backend *backends; /* copied; of one chain in this order */
    uint32_t n_backends;
    void (*on_change)(
        void *arg); /* rulings may differ now: what was decided is to be looked at again */
    void *arg;
};

/* What a decision is about, for the audit; strings are copied. */
struct policy_about {
    str tenant, lattice, app, caller, trace;
    str traceparent; /* for the backends; of policy_ask_each that of all counts */
};

struct policy_chains *policy_create(const struct policy_env *env);
void policy_destroy(
    struct policy_chains *p); /* asks under way end without callbacks; NULL is fine */

/* Is anybody asked at this point? When not, everything is allowed and costs nothing. p may be NULL.
 */
bool policy_asks(const struct policy_chains *p, uint32_t point);

/* TRL_LOOKS_*: what somebody of the chain looks at; the rest may be left out of a subject. */
uint32_t policy_looks(const struct policy_chains *p, uint32_t point);

/* The ruling if it is known (borrowed until the next turn), else NULL: ask. A ruling that is no
 * allow goes to the audit. Who acts on it tells that with policy_spend: one that must not be kept
 * is not given out again. */
struct ruling *policy_peek(struct policy_chains *p, uint32_t point, str subject, str what,
                           const struct policy_about *about);
void policy_spend(struct ruling *r); /* NULL is fine */
/* Would policy_peek know it? Nobody is told. */
bool policy_knows(struct policy_chains *p, uint32_t point, str subject);

/* One question: its subject, and what it is in a few words for the audit. */
struct policy_question {
    str subject, what;
};

/* Decides about n questions, by all backends of the chain at once. done runs exactly once, in a
 * later turn, with n rulings in order (borrowed for the call). The pointer is dead then. */
struct policy_ask *policy_ask(struct policy_chains *p, uint32_t point,
                              const struct policy_question *q, uint32_t n,
                              const struct policy_about *about,
                              void (*done)(void *arg, struct ruling *const *rulings), void *arg);
/* The same with an own about for each question, where it comes to no plain allow: those are one
 * record, and about all. */
struct policy_ask *policy_ask_each(struct policy_chains *p, uint32_t point,
                                   const struct policy_question *q, const struct policy_about *each,
                                   uint32_t n, const struct policy_about *all,
                                   void (*done)(void *arg, struct ruling *const *rulings),
                                   void *arg);
/* As policy_ask, but where all is known or decided inside the calls, done runs before this returns,
 * and NULL is returned. */
struct policy_ask *policy_ask_now(struct policy_chains *p, uint32_t point,
                                  const struct policy_question *q, uint32_t n,
                                  const struct policy_about *about,
                                  void (*done)(void *arg, struct ruling *const *rulings),
                                  void *arg);
void policy_ask_cancel(struct policy_ask *a); /* no callback any more */

struct policy_counts {
    uint64_t hits, misses, calls, failures;
    uint64_t verdicts[4]; /* by TRL_V_*, fresh ones */
};
void policy_counts(const struct policy_chains *p, struct policy_counts *ret);
/* Each backend with its chain: for `trellis policy list`. */
void policy_each(const struct policy_chains *p,
                 void (*fn)(void *arg, const struct policy_backend *b, bool watches), void *arg);

#endif
