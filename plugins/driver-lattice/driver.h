/* SPDX-License-Identifier: Apache-2.0
 *
 * The instance: what everything in this plugin hangs off. All on the loop.
 */
#ifndef DRIVER_LATTICE_DRIVER_H
#define DRIVER_LATTICE_DRIVER_H

#include <trellis/trellis.h>

#include "../common/ticket.h"
#include "decode.h"
#include "names.h"

#define NS_PER_MS 1000000ll
#define NS_PER_S  1000000000ll

struct settings {
    char *ctl_prefix, *event_prefix; /* owned */
    char **lattices;                 /* owned; n_lattices 0: all there are */
    size_t n_lattices;
    int multitenant, stop_with_ref;
    int64_t timeout_ns, audit_ns, preflight_ns, ping_ns;
};

struct trl_inst {
    const trl_host *host;
    const trl_host_transport_v1 *bus;
    const trl_host_observe_v1 *observe;
    const trl_host_loop_v1 *loop;
    struct settings set;
    struct names lattices;  /* id -> struct lattice, followed */
    struct names strangers; /* ids that were seen and told, not followed */
    struct desk desk;       /* operations that wait */
    struct flow *flows;     /* everything under way that owns itself */
    struct call *calls;
    uint64_t *subs; /* owned; event subscriptions by configuration */
    size_t n_subs;
    uint64_t link_watch;
    trl_str told_by;             /* traceparent of the event at hand; borrowed, may be empty */
    struct jtree tree;           /* memory for the next message */
    struct inventory inv;        /* scratch of the message at hand */
    struct link_scratch link_in; /* likewise */
    uint64_t garbage;            /* messages that made no sense */
    int64_t garbage_said_ns;
    int follows_all;
};

static inline int64_t now_ns(const struct trl_inst *d) {
    return d->host->now_ns(d->host->ctx);
}

/* Counts what could not be understood; says so at most once a minute. what: static text. */
void driver_garbage(struct trl_inst *d, trl_str subject, const char *what);

#endif
