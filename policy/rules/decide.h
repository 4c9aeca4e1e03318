/* SPDX-License-Identifier: Apache-2.0
 *
 * Batches decided: at once when that is little, else on the core's worker pool, so that no plan of
 * thousands of actions holds up the loop; and verdicts that the core could not take yet. All
 * [loop].
 */
#ifndef POLICY_RULES_DECIDE_H
#define POLICY_RULES_DECIDE_H

#include <trellis/host.h>

#include "eval.h"

/* What deciding needs, used again by the next call. Zeroed memory is a clean desk. */
struct desk {
    struct facts facts;
    struct text reasons, scratch;
};

struct decider {
    const trl_host *host;
    const trl_host_work_v1 *work;
    struct desk desk;
    struct kept *kept;
    uint64_t decided;
};

void decider_init(struct decider *d, const trl_host *h);
void decider_finish(struct decider *d);
/* Emits and completes op, now or later. rs: a reference is taken where it is needed later. */
void decider_decide(struct decider *d, struct ruleset *rs, trl_op *op, uint32_t point,
                    const void *subjects, uint32_t n, uint32_t stride);
void decider_resume(struct decider *d, trl_op *op);
/* Ends a call whose verdicts wait here; op NULL: any. False: there is none. (One on the pool
 * notices by itself that nobody listens.) */
bool decider_end(struct decider *d, trl_op *op, trl_status st, const char *text);

#endif
