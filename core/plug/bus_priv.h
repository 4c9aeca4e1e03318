/* SPDX-License-Identifier: Apache-2.0
 *
 * What bus.c and bus_host.c (the bus as plugins see it) share.
 */
#ifndef TRELLIS_PLUG_BUS_PRIV_H
#define TRELLIS_PLUG_BUS_PRIV_H

#include "base/mem.h"
#include "plug/bus.h"
#include "plug/op.h"

struct bus_call {
    struct bus *bus;
    struct bus_call *prev, *next;
    trl_op *op;
    void (*on_reply)(void *arg, trl_status st, const struct bus_msg *m);
    void *arg;
    bool many, answered;
};

struct bus_sub {
    struct bus *bus;
    struct bus_sub *prev, *next;
    trl_op *op;
    void (*on_msg)(void *arg, const struct bus_msg *m);
    void *arg;
    char *subject; /* owned; for messages about it */
};

struct bus_watcher {
    void (*on_link)(void *arg, bool up);
    void *arg;
    bool told; /* it has heard of the present state */
};

struct bus_small { /* a publish or info somebody waits for */
    struct bus *bus;
    struct bus_small *prev, *next;
    trl_op *op;
    void (*done)(void *arg, trl_status st);
    void (*info)(void *arg, trl_status st, str json);
    void *arg;
};

struct bus_host; /* bus_host.c */

struct bus {
    struct plug_inst *in;
    trl_inst *raw;
    const trl_transport_v1 *t;
    bool direct; /* TRL_LOOP: the table is called as it is */
    bool up, up_known;
    trl_op *link_op;
    VEC(struct bus_watcher *) watchers;
    bool telling; /* a turn that tells new watchers is posted */
    struct bus_call *calls;
    struct bus_sub *subs;
    struct bus_small *smalls;
    uint32_t refs; /* the owner, and posts under way */
    bool dead;
    struct bus_host *host; /* made at first use */
};

void bus_unwatch_link(struct bus *b, void (*on_link)(void *arg, bool up), void *arg);
void bus_host_destroy(struct bus_host *h); /* NULL is fine */

#endif
