/* SPDX-License-Identifier: Apache-2.0
 *
 * A bounded set of threads with one queue; started on demand, all signals blocked in them. With one
 * thread it is what a TRL_SERIAL instance runs on.
 */
#ifndef TRELLIS_PLUG_WORKERS_H
#define TRELLIS_PLUG_WORKERS_H

#include <stdbool.h>
#include <stdint.h>

struct workers;

struct workers *workers_create(uint32_t max_threads);
/* [any] Runs fn(arg) on one of the threads, in order of submission. */
void workers_submit(struct workers *w, void (*fn)(void *arg), void *arg);
/* wait: everything queued runs, then the threads are joined. Else they are left to end by
 * themselves (one of them is stuck in a plugin) and what is queued never runs. w is taken. */
void workers_finish(struct workers *w, bool wait);

#endif
