/* SPDX-License-Identifier: Apache-2.0
 *
 * What virtual hosts still have to do, by time. Tasks of one instant run in the order in which they
 * were added. It reads no clock: the owner asks for the next due time and pops what is due.
 */
#ifndef TRELLIS_SIM_AGENDA_H
#define TRELLIS_SIM_AGENDA_H

#include <stdbool.h>
#include <stdint.h>

struct vhost;

/* Embedded as the first member of what is to be done. */
struct task {
    void (*run)(struct task *t, int64_t now_ns); /* takes the task: adds it again or frees it */
    void (*drop)(struct task *t);                /* frees it undone */
    struct vhost *host;                          /* dropped unless the host is still in this life */
    uint32_t life;
};

struct agenda_slot {
    int64_t due_ns;
    uint64_t seq;
    struct task *task;
};

struct agenda {
    struct agenda_slot *at; /* a heap */
    uint32_t n, cap;
    uint64_t seq;
};
#define AGENDA_INIT                                                                                \
    { NULL, 0, 0, 0 }

void agenda_add(struct agenda *a, struct task *t, int64_t due_ns); /* t: taken */
bool agenda_next(const struct agenda *a, int64_t *ret_due_ns);     /* false: nothing to do */
/* Takes the earliest task out if it is due; owned. */
struct task *agenda_pop(struct agenda *a, int64_t now_ns);
void agenda_finish(struct agenda *a); /* drops the rest */

#endif
