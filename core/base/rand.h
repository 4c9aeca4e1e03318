/* SPDX-License-Identifier: Apache-2.0
 *
 * Seeded randomness (xoshiro256**): the same seed gives the same run. Not for secrets.
 */
#ifndef TRELLIS_BASE_RAND_H
#define TRELLIS_BASE_RAND_H

#include <stdint.h>

struct rng {
    uint64_t s[4];
};
void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n); /* 0 .. n-1, n > 0 */
int rng_chance(struct rng *r, double p);       /* 1 with probability p */

#endif
