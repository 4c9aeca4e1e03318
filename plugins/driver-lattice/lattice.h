/* SPDX-License-Identifier: Apache-2.0
 *
 * One lattice that is followed: its subjects, hosts, links and configs. Nothing is shared between
 * two.
 */
#ifndef DRIVER_LATTICE_LATTICE_H
#define DRIVER_LATTICE_LATTICE_H

#include "flow.h"
#include "poll.h"

#define IN_FLIGHT_MAX 64u /* inventories, and config reads, at once */

struct link_state {
    struct poll poll; /* link.get */
    struct call *call;
    struct wake wake; /* a read that must wait, or be repeated */
    int known;        /* the links were read once */
    uint32_t moves;   /* puts and deletions, ours and others' */
    uint32_t moves_at_read;
    uint32_t tries, fails; /* reads of one answer; answers in a row that did not come */
    uint32_t jobs;         /* requests of ours under way */
    int64_t moved_ns;      /* last of them; INT64_MIN: never */
};

struct lattice {
    struct trl_inst *d;
    char *id;             /* owned; as the core names it */
    char *ctl;            /* owned; "<prefix>.v1.<lattice>" */
    struct names hosts;   /* id -> struct host */
    struct names sources; /* link source -> struct source */
    struct names configs; /* name -> struct conf */
    struct lane host_lane, config_lane, link_lane;
    struct link_state links;
    struct wake audit;
    uint64_t sub; /* own subscription; 0: a wildcard covers it */
    uint64_t sync_round;
    uint32_t n_known_hosts;
    int acted; /* actions were applied here: leftovers are ours to remove */
};

static inline trl_str lattice_id(const struct lattice *l) {
    return trl_cstr(l->id);
}
struct lattice *lattice_find(const struct trl_inst *d, trl_str id); /* NULL: not followed */
/* Finds it or begins to follow it. NULL: the id is illegal, *why (static) says how. */
struct lattice *lattice_follow(struct trl_inst *d, trl_str id, const char **why);
void lattices_destroy(struct trl_inst *d);

#endif
