/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines of a descriptor and the signals that end a program, as callbacks on the loop. A thread of
 * its own waits for them, so a terminal or pipe that blocks does not hold up the loop.
 */
#ifndef TRELLIS_SIM_INPUTS_H
#define TRELLIS_SIM_INPUTS_H

#include "base/str.h"
#include "plug/loop.h"

struct inputs;

struct inputs_to {
    void (*on_line)(void *arg, str line); /* without its end; too long ones are left out */
    void (*on_signal)(void *arg);         /* SIGINT or SIGTERM */
    void *arg;
};

/* Blocks the two signals for the calling thread and those it starts later: call it first. */
void inputs_block_signals(void);
/* fd < 0: signals only. NULL when the thread cannot be started. */
struct inputs *inputs_create(struct loop *l, int fd, const struct inputs_to *to);
/* No callback any more. Runs the loop until what was posted is through. */
void inputs_destroy(struct inputs *in);

#endif
