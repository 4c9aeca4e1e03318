/* SPDX-License-Identifier: Apache-2.0
 *
 * The links of a lattice as last known, by source; and reading them (link.get).
 */
#ifndef DRIVER_LATTICE_LINKSET_H
#define DRIVER_LATTICE_LINKSET_H

#include "lattice.h"

struct link_job;

struct source {
    struct lattice *l;
    char *id;         /* owned */
    trl_link **links; /* owned, each one block */
    size_t n, cap;
    struct link_job *head, *tail; /* requests for this source, one at a time */
};

trl_link *link_dup(const trl_link *l);                   /* owned: free() */
int link_same_key(const trl_link *a, const trl_link *b); /* source, namespace, package, name */
int link_same(const trl_link *a, const trl_link *b);     /* and target */
int link_same_content(const trl_link *a, const trl_link *b);
int link_overlaps(const trl_link *a, const trl_link *b); /* a common interface */

struct source *source_find(const struct lattice *l, trl_str id);
struct source *source_ensure(struct lattice *l, trl_str id);
size_t source_count(const struct source *s, const trl_link *key); /* links with that delete key */

/* Remembers it and reports it. */
void linkset_put(struct lattice *l, const trl_link *link);
/* Forgets the link (target empty: all with the key) and reports it gone. */
void linkset_drop(struct lattice *l, const trl_link *link);
/* What link.get said replaces everything known; reported in full. -1: garbage, nothing changed. */
int linkset_replace(struct lattice *l, const struct jnode *b_list);
void linkset_destroy(struct lattice *l);

/* Links moved just now: a link.get may still be behind for a second. */
void links_moved(struct lattice *l);

void linksync_init(struct lattice *l);
void linksync_finish(struct lattice *l);
/* Reads all links and reports them in full; waits first while a read could be behind. */
void linksync_ask(struct lattice *l, poll_fn fn, void *arg);

#endif
