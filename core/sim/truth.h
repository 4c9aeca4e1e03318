/* SPDX-License-Identifier: Apache-2.0
 *
 * What really happened to each component and provider id of a lattice, whatever was announced:
 * how many instances ran at once, and when none did after some had.
 */
#ifndef TRELLIS_SIM_TRUTH_H
#define TRELLIS_SIM_TRUTH_H

#include "base/map.h"

struct truth_id {
    int64_t count, max_count; /* instances on all hosts: now, and most at one time */
    uint32_t hosts, max_hosts;
    uint64_t starts, stops; /* instance sets, one per host; a dying host stops its own */
    bool seen;              /* ran at some time */
    uint32_t gaps;          /* times it went to none */
    int64_t zero_since_ns;  /* while seen and count is 0 */
    int64_t zero_ns;        /* finished gaps; see truth_zero_ns */
};

struct truth {
    struct map components, providers; /* struct truth_id * by id */
};
#define TRUTH_INIT                                                                                 \
    { MAP_INIT, MAP_INIT }

/* m: one of the two maps. hosts is 1, -1 or 0 (only the count changed). */
void truth_change(struct map *m, str id, int64_t count, int hosts, int64_t now_ns);
const struct truth_id *truth_find(const struct map *m, str id); /* NULL: never ran */
/* Time without an instance since the first one, a gap that lasts included. */
int64_t truth_zero_ns(const struct truth_id *t, int64_t now_ns);
/* Starts afresh: what runs stays, maxima and gaps are forgotten. */
void truth_reset(struct truth *t, int64_t now_ns);
void truth_finish(struct truth *t);

#endif
