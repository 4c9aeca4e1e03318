/* SPDX-License-Identifier: Apache-2.0
 *
 * Things under way: flows (freed together when the instance stops), tickets (an op that waits for
 * an end), wakes (a timer that knows its owner).
 */
#ifndef DRIVER_LATTICE_FLOW_H
#define DRIVER_LATTICE_FLOW_H

#include "driver.h"

/* Embedded first in what owns itself. */
struct flow {
    struct flow **link, *next;
    void (*destroy)(struct flow *f); /* frees it without a word: the instance stops */
};
void flow_join(struct trl_inst *d, struct flow *f, void (*destroy)(struct flow *f));
void flow_leave(struct flow *f);
void flows_destroy(struct trl_inst *d);

/* A ticket whose op was cancelled is closed; what it stood for may go on. */
struct ticket {
    struct trl_inst *d;
    trl_op *op; /* NULL: closed */
};
void ticket_open(struct ticket *t, struct trl_inst *d, trl_op *op);
void ticket_ok(struct ticket *t);
void ticket_fail(struct ticket *t, trl_status st, trl_str text);
__attribute__((format(printf, 3, 4))) void ticket_failf(struct ticket *t, trl_status st,
                                                        const char *fmt, ...);
void tickets_cancel(struct trl_inst *d, trl_op *op); /* NULL: all */
/* An op that has no ticket yet. */
void op_refuse(struct trl_inst *d, trl_op *op, trl_status st, trl_str text);

struct wake {
    struct trl_inst *d;
    uint64_t id; /* 0: not set */
    void (*fn)(void *arg);
    void *arg;
};
void wake_start(struct wake *w, struct trl_inst *d, int64_t delay_ns, void (*fn)(void *arg),
                void *arg);     /* restarts when set */
void wake_stop(struct wake *w); /* zeroed memory is fine */

#endif
