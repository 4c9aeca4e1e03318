/* SPDX-License-Identifier: Apache-2.0
 *
 * The gate between an instance's threads and the loop. Shared by the instance and every op of it,
 * so that an op completed after the end of its instance meets a closed gate, never freed memory.
 */
#ifndef TRELLIS_PLUG_GATE_H
#define TRELLIS_PLUG_GATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "plug/loop.h"

struct trl_op;

struct gate {
    pthread_mutex_t lock; /* guards open, and the list of free ops */
    atomic_uint refs;
    bool open;
    struct loop *loop;     /* used while open only */
    atomic_uint pending;   /* posts that have not run; grows under the lock while open */
    atomic_ullong refused; /* second completions */
    struct trl_op *first_free, *last_free; /* reused first in, first out: see op.c */
    uint32_t n_free;
};

struct gate *gate_create(struct loop *l); /* one reference */
void gate_ref(struct gate *g);            /* [any] */
void gate_unref(struct gate *g);          /* [any] */
/* [any] Runs fn(arg) on the loop; fn must call gate_ran(). False when closed: nothing was done. */
bool gate_post(struct gate *g, void (*fn)(void *arg), void *arg);
void gate_ran(struct gate *g); /* [loop] */
/* [loop] Closes it if nothing is pending; says whether it is closed. */
bool gate_try_close(struct gate *g);
void gate_close(struct gate *g); /* [loop] whatever is pending */

#endif
