/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations that wait for an end (tickets), and timers that know their owner (wakes). On the loop.
 */
#ifndef PLUGINS_COMMON_TICKET_H
#define PLUGINS_COMMON_TICKET_H

#include <trellis/trellis.h>

#include "u64map.h"

struct desk { /* of an instance; zeroed memory with both tables set is an empty one */
    const trl_host *host;
    const trl_host_loop_v1 *loop;
    struct u64map tickets; /* trl_op -> struct ticket */
};
void desk_finish(struct desk *d);

/* A ticket whose op was cancelled is closed; what it stood for goes on. */
struct ticket {
    struct desk *desk;
    trl_op *op; /* NULL: closed */
};
void ticket_open(struct ticket *t, struct desk *d, trl_op *op);
void ticket_ok(struct ticket *t);
void ticket_result(struct ticket *t, const char *text); /* OK, with it */
__attribute__((format(printf, 3, 4))) void ticket_fail(struct ticket *t, trl_status st,
                                                       const char *fmt, ...);
void tickets_cancel(struct desk *d, trl_op *op); /* NULL: all */
/* An op that has no ticket yet. */
__attribute__((format(printf, 4, 5))) void op_refuse(const struct desk *d, trl_op *op,
                                                     trl_status st, const char *fmt, ...);

struct wake {
    struct desk *desk;
    uint64_t id; /* 0: not set */
    void (*fn)(void *arg);
    void *arg;
};
void wake_start(struct wake *w, struct desk *d, int64_t delay_ns, void (*fn)(void *arg),
                void *arg);     /* restarts when set */
void wake_stop(struct wake *w); /* zeroed memory is fine */

#endif
