/* SPDX-License-Identifier: Apache-2.0
 *
 * Things under way that are freed together when the instance stops.
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

/* The trace an action belongs to, for its requests: W3C traceparent, or empty. */
struct trail {
    char traceparent[56];
};
void trail_keep(struct trail *t, const trl_action *a);

#endif
