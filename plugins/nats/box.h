/* SPDX-License-Identifier: Apache-2.0
 *
 * A mailbox that brings work from the library's threads to the loop, in order, with one post per
 * batch. Shared (counted): a thread that puts late finds a closed box instead of freed memory.
 */
#ifndef NATS_BOX_H
#define NATS_BOX_H

#include <trellis/trellis.h>

#include "msgbin.h"

struct box;

/* Embedded in what is to be handled. Exactly one of run [loop] and drop [any] is called. */
struct box_item {
    struct box_item *next;
    void (*run)(struct box_item *it);
    void (*drop)(struct box_item *it);
};

struct box *box_create(const trl_host *h);
struct box *box_ref(struct box *b);
void box_unref(struct box *b);
struct msgbin *box_bin(struct box *b); /* for messages that came through it; as long as the box */
/* [any] */
void box_put(struct box *b, struct box_item *it);
/* [loop] Drops what is in it; later items are dropped at once, the host is not touched any more. */
void box_close(struct box *b);

#endif
