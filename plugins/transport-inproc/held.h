/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages kept for subscribers that are above their high mark. One copy serves all of them.
 */
#ifndef INPROC_HELD_H
#define INPROC_HELD_H

#include <trellis/trellis.h>

struct held_msg;

/* A queue of shared messages. Zeroed memory is an empty one. */
struct held_queue {
    struct held_msg **ring;
    size_t cap, head, n;
    size_t bytes;
};

/* What it costs to hold it: subject, reply, headers and payload. */
size_t held_cost(const trl_msg *m);
struct held_msg *held_copy(const trl_msg *m); /* one reference, the caller's */
void held_unref(struct held_msg *h);          /* NULL is fine */

void held_push(struct held_queue *q, struct held_msg *h); /* takes a reference of its own */
const trl_msg *held_first(const struct held_queue *q);    /* borrowed; NULL when empty */
void held_pop(struct held_queue *q);
void held_finish(struct held_queue *q);

#endif
