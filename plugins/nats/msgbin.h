/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages that are over. The library (3.4) frees a message in a thread of its own and wakes that
 * for each one: on a busy machine a switch more per message, and one between those that have work.
 * So they are given to it many at a time.
 */
#ifndef NATS_MSGBIN_H
#define NATS_MSGBIN_H

#include <nats/nats.h>
#include <pthread.h>

#define MSGBIN_MAX       64u
#define MSGBIN_MAX_BYTES (64u * 1024u) /* what messages may keep beyond their time */

/* Embedded; all calls [any], but for init and finish. */
struct msgbin {
    pthread_mutex_t lock;
    unsigned n;
    size_t bytes;
    natsMsg *at[MSGBIN_MAX];
};

void msgbin_init(struct msgbin *b);
void msgbin_finish(struct msgbin *b);
void msgbin_put(struct msgbin *b, natsMsg *m); /* m is taken; NULL is fine */

#endif
