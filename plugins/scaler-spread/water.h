/* SPDX-License-Identifier: Apache-2.0
 *
 * Adding to and taking from a set of counts so that they end as even as what is there allows. No
 * loop runs per instance: cost is the sorting of the hosts.
 */
#ifndef PLUGINS_SPREAD_WATER_H
#define PLUGINS_SPREAD_WATER_H

#include <stdint.h>

struct bucket {
    uint32_t count;
    uint32_t rank; /* all different: who is first among equals */
    uint32_t host; /* the caller's */
};

/* Adds `amount` where counts are lowest, among equal ones to the lowest rank first. Reorders b.
 * Returns what did not fit, counts being 32 bits. */
uint64_t water_fill(struct bucket *b, uint32_t n, uint64_t amount);
/* Takes `amount` where counts are highest, among equal ones from the highest rank first. Returns
 * what was not there. */
uint64_t water_drain(struct bucket *b, uint32_t n, uint64_t amount);

#endif
