/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a thread is handed its work, one job at a time.
 *
 * Jobs come in a row: both records of a put, then its deploy. While they do (the last one came less
 * than HANDOFF_LINGER_NS after the one before was done) the thread waits awake for that long, and
 * gives way to whoever has work: to wake it takes 65 us on a virtual machine, where an idle
 * processor is given away. Jobs far apart, or a process with one processor, cost nothing more.
 */
#ifndef STORE_FILE_HANDOFF_H
#define STORE_FILE_HANDOFF_H

#include <pthread.h>

#define HANDOFF_LINGER_NS 200000

/* Embedded. */
struct handoff {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    int job;     /* 0: none; set under the lock, atomic */
    int lingers; /* the taker's */
};

void handoff_init(struct handoff *h);
void handoff_finish(struct handoff *h);
void handoff_give(struct handoff *h, int job); /* not 0; the job before was taken */
int handoff_take(struct handoff *h);           /* waits; [one thread] */

#endif
