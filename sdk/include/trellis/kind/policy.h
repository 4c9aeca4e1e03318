/* SPDX-License-Identifier: Apache-2.0
 *
 * policy/1: may this happen? A backend is asked about batches of subjects at named points and
 * answers with one verdict each. Chains (which backends at which point, deny overrides, what an
 * error means, how long a verdict is kept) are the core's; a backend decides and nothing else.
 *
 * A subject is one JSON object; docs/policy.md lists its members per point. It never holds the
 * value of a secret or of a config.
 */
#ifndef TRELLIS_KIND_POLICY_H
#define TRELLIS_KIND_POLICY_H

#include <trellis/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Points: when the core asks. */
#define TRL_POINT_PUT     0u /* a manifest is about to be stored                              */
#define TRL_POINT_DEPLOY  1u /* a version is about to be deployed: the plan is in the subject */
#define TRL_POINT_PLACE   2u /* one unit on one host, before a scaler sees the host           */
#define TRL_POINT_COMMAND 3u /* one action, before it is sent                                 */
#define TRL_POINT_HOST    4u /* a host asks before it starts or invokes something             */
#define TRL_POINT_SECRET  5u /* who wants to read which secret                                */
#define TRL_POINTS        6u

/* Verdicts by weight: of a chain the heaviest holds. */
#define TRL_V_ABSTAIN 0 /* no opinion */
#define TRL_V_ALLOW   1
#define TRL_V_WARN    2 /* allowed, and the reasons are shown */
#define TRL_V_DENY    3

/* trl_verdict.flags */
#define TRL_VERDICT_STOP 1u /* deny: what runs already is to be stopped too (`enforce: stop`) */

/* trl_verdict.ttl_ms */
#define TRL_TTL_NONE  0u         /* ask again every time                        */
#define TRL_TTL_RULES UINT32_MAX /* holds until watch() says that rules changed */

/* One verdict, as emitted (op_emit of this header followed by the reasons' bytes; use
 * trl_verdict_emit of helper.h). Reasons: a JSON array of objects with the string members code,
 * text, rule, path (JSON pointer into the subject's manifest), remedy; all but text may be left
 * out. Empty: none. A DENY without a reason is accepted and told as such. */
typedef struct trl_verdict {
    uint32_t struct_size, flags; /* TRL_VERDICT_* */
    uint32_t index;              /* of the subject in the batch */
    int32_t verdict;             /* TRL_V_* */
    uint32_t ttl_ms;             /* how long the same subject gets the same answer */
    uint32_t reasons_len;
    /* reasons bytes follow */
} trl_verdict;

#define TRL_TRACEPARENT_LEN 55u /* of level 1 */

typedef struct trl_subject {
    uint32_t struct_size, flags;
    trl_str json;
    trl_str traceparent; /* W3C, of the decision; empty: none. No part of what is decided: the same
                            json gets the same verdict */
} trl_subject;

/* looks_at(): members of a subject that may be left out where no backend of the chain looks at
 * them: many subjects are one then, and are decided once. */
#define TRL_LOOKS_HOST     1u /* COMMAND: id and name of `host`                          */
#define TRL_LOOKS_LABELS   2u /* COMMAND: labels of `host`                               */
#define TRL_LOOKS_PLAN     4u /* DEPLOY: `plan`, which is not even made for nobody       */
#define TRL_LOOKS_MANIFEST 8u /* PUT, DEPLOY: `manifest`; `units` and the rest are there */

typedef struct trl_policy_v1 {
    uint32_t struct_size, flags;
    /* [loop] Bit n: it has something to say at point n. Asked when it is ready and after each item
     * of watch(); at other points it costs nothing. NULL: all points. */
    uint32_t (*points)(trl_inst *);
    /* Emits exactly one verdict per subject, in any order, then TRL_OK. Anything else (an error, a
     * subject left out or answered twice, an unknown verdict) is a failed call: the chain's
     * `on_error` decides. Subjects: n of them, stride bytes apart, borrowed for the call. */
    void (*decide)(trl_inst *, trl_op *op, uint32_t point, const void *subjects, uint32_t n,
                   uint32_t stride);
    /* Emits one item (its bytes are a short text for the log) each time the rules may have changed,
     * until cancelled: kept verdicts of this backend are void. NULL: they never change. */
    void (*watch)(trl_inst *, trl_op *op);
    void (*cancel)(trl_inst *, trl_op *op); /* complete it soon */
    void (*resume)(trl_inst *, trl_op *op); /* an emission that got TRL_E_BUSY may go on */
    /* One JSON object: rules, revision, peer...; may be NULL. */
    void (*info)(trl_inst *, trl_op *op);
    /* [loop] TRL_LOOKS_* at a point; asked when points() is. NULL: it looks at everything. */
    uint32_t (*looks_at)(trl_inst *, uint32_t point);
} trl_policy_v1;

#ifdef __cplusplus
}
#endif
#endif
