/* SPDX-License-Identifier: Apache-2.0
 *
 * A question that many may have at once: asked one at a time, everyone who wants to know gets an
 * answer to a question that was sent after they wanted it. Lanes bound how many questions are out.
 */
#ifndef DRIVER_LATTICE_POLL_H
#define DRIVER_LATTICE_POLL_H

#include <trellis/abi.h>

/* st TRL_OK: data is what the poll's owner gives; else text says why not. */
typedef void (*poll_fn)(void *arg, trl_status st, const char *text, const void *data);

struct poll;
struct lane {
    uint32_t in_flight, limit;
    struct poll *head, *tail;
};

struct poll_waiter;
struct poll {
    struct lane *lane;
    void (*begin)(struct poll *p); /* sends the question; ends in poll_settle or poll_repeat */
    struct poll *next_queued;
    struct poll_waiter *now, *next; /* answered by the question that is out; by the next one */
    int queued, out, again;
};

void poll_init(struct poll *p, struct lane *lane, void (*begin)(struct poll *p));
void poll_ask(struct poll *p, poll_fn fn, void *arg); /* fn may be NULL: just ask */
void poll_unask(struct poll *p, const void *arg);     /* arg's callbacks do not run any more */
void poll_repeat(struct poll *p);                     /* the answer is stale: ask again */
void poll_settle(struct poll *p, trl_status st, const char *text, const void *data);
int poll_busy(const struct poll *p);
/* Ends it: everyone who waits is told. A question that is out is the owner's to cancel, before. */
void poll_close(struct poll *p, trl_status st, const char *text);
/* Ends it without callbacks; a question that is out is the owner's to cancel, before. */
void poll_finish(struct poll *p);

#endif
