/* SPDX-License-Identifier: Apache-2.0
 *
 * A policy backend as the core uses it: batches in, checked verdicts out. All on the loop;
 * callbacks run in a later turn.
 */
#ifndef TRELLIS_PLUG_POLICY_H
#define TRELLIS_PLUG_POLICY_H

#include "base/str.h"
#include "plug/plug.h"

#define POLICY_BATCH 512u /* subjects per call; more than a stream may hold would stall it */

struct policy_call;
struct policy_watch;

struct policy_verdict {
    int32_t verdict; /* TRL_V_* */
    uint32_t flags;  /* TRL_VERDICT_* */
    uint32_t ttl_ms;
    str reasons; /* JSON array or empty */
};

/* Bit n: the instance has something to say at point n. in: started policy/1 instance. */
uint32_t policy_points(struct plug_inst *in);

/* TRL_LOOKS_*: members of a subject at that point that matter to it. */
uint32_t policy_looks_at(struct plug_inst *in, uint32_t point);

/* Asks about n <= POLICY_BATCH subjects (JSON texts, copied). done: TRL_OK with n verdicts in the
 * order of the subjects (borrowed for the call), or why the call failed: the backend's error, or
 * what it did wrong. Exactly once, unless cancelled. */
struct policy_call *policy_decide(struct plug_inst *in, uint32_t point, const str *subjects,
                                  uint32_t n, int64_t timeout_ns,
                                  void (*done)(void *arg, trl_status st,
                                               const struct policy_verdict *v, const trl_err *e),
                                  void *arg);
/* The same, but a backend that answers inside the call is heard at once: done has run then, and
 * NULL is returned. traceparent: for all of them, or empty. */
struct policy_call *policy_decide_now(struct plug_inst *in, uint32_t point, const str *subjects,
                                      uint32_t n, str traceparent, int64_t timeout_ns,
                                      void (*done)(void *arg, trl_status st,
                                                   const struct policy_verdict *v,
                                                   const trl_err *e),
                                      void *arg);
void policy_call_cancel(struct policy_call *c); /* no callback any more */

/* on_change: the rules may have changed (what: a short text). on_end: the watch broke; start
 * another. NULL when the backend's rules never change. */
struct policy_watch *policy_watch(struct plug_inst *in, void (*on_change)(void *arg, str what),
                                  void (*on_end)(void *arg, trl_status st), void *arg);
void policy_watch_end(struct policy_watch *w); /* NULL is fine */

/* One JSON object (borrowed); st != TRL_OK: none. */
void policy_info(struct plug_inst *in, void (*done)(void *arg, trl_status st, str json), void *arg);

#endif
