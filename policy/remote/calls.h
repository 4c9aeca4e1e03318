/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls of decide(): requests on the bus, answers into verdicts. All on the loop.
 */
#ifndef REMOTE_CALLS_H
#define REMOTE_CALLS_H

#include <trellis/host.h>

#include "memory.h"
#include "opts.h"

struct calls;

struct calls_facts {
    uint64_t asked, permitted, denied, failed, overridden;
    char failure[256]; /* "" since the last success */
};

/* on_forgotten: earlier answers cannot be overridden any more. All borrowed for its life. */
struct calls *calls_create(const trl_host *h, const struct opts *o, struct memory *m,
                           void (*on_forgotten)(void *arg), void *arg);
void calls_destroy(struct calls *c); /* NULL is fine; calls under way are dropped */

void calls_decide(struct calls *c, trl_op *op, uint32_t point, const void *subjects, uint32_t n,
                  uint32_t stride);
int calls_cancel(struct calls *c, trl_op *op); /* 0: not one of these */
int calls_resume(struct calls *c, trl_op *op); /* 0: not one of these */
/* Answers may be other ones from now on: what is under way is not to be kept. */
void calls_changed(struct calls *c);
void calls_end(struct calls *c); /* ends all with CLOSED */
const struct calls_facts *calls_facts(const struct calls *c);

#endif
