/* SPDX-License-Identifier: Apache-2.0
 *
 * Hosts of a lattice: asking for inventories, reporting them, and the little that must be
 * remembered of each host to read its events right. What runs there is the core's to remember.
 */
#ifndef DRIVER_LATTICE_HOSTS_H
#define DRIVER_LATTICE_HOSTS_H

#include "call.h"

struct update;

struct host {
    struct lattice *l;
    char *id, *name, *version; /* owned; name and version NULL: not known */
    uint64_t uptime_s;
    int64_t began_s;  /* when its present life began, on our clock */
    int64_t seen_ns;  /* last word of it */
    int64_t moved_ns; /* last event that changed its inventory */
    int known;        /* a full report was made */
    int agent;        /* a trellis agent: it replaces an image itself, in place */
    struct poll poll; /* host.get */
    struct call *call;
    struct wake retry;
    uint32_t fails; /* reads in a row without an answer */
    uint32_t moves, moves_at_read, tries;
    uint64_t sync_round;  /* the last resync that asked it */
    struct names marks;   /* unit -> struct mark: scales asked for lately */
    struct names failing; /* providers whose last health check failed */
    struct update *updates;
    int64_t leftover_ns; /* since when a trial instance of nobody is seen; 0: none */
    int64_t cleaned_ns;  /* when such were told to end; 0: never */
};

static inline trl_str host_id(const struct host *h) {
    return trl_cstr(h->id);
}
struct host *host_find(const struct lattice *l, trl_str id); /* NULL: not known */
struct host *host_ensure(struct lattice *l, trl_str id);
void host_forget(struct host *h);      /* its updates fail */
void hosts_destroy(struct lattice *l); /* without a word */
void hosts_prune(struct lattice *l);   /* those long silent */

/* Asks for the inventory and reports it; data is the struct inventory. */
void host_ask(struct host *h, poll_fn fn, void *arg);
/* Reports an inventory just received. flags: TRL_REPORT_* beside FULL and LABELS. */
void host_inventory(struct host *h, struct inventory *inv, uint32_t flags);
/* It began anew: everything known of its work is void. Reports that with the labels in inv. */
void host_began(struct host *h, const struct inventory *inv);
/* Reports one changed entry. */
void host_delta(struct host *h, const trl_running *entry);
void host_labels(struct host *h, const struct inventory *inv);
/* Something happened there: an inventory under way may be older than it. */
void host_moved(struct host *h);
/* driver/1 probe: once, with its own time limit. */
void host_probe(struct lattice *l, trl_op *op, trl_str id);

#endif
