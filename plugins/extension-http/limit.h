/* SPDX-License-Identifier: Apache-2.0
 *
 * How often an address may ask: a bucket of tokens each. Bounded: the address that was silent for
 * longest is forgotten first. HTTP thread only.
 */
#ifndef HTTP_LIMIT_H
#define HTTP_LIMIT_H

#include <stdint.h>
#include <sys/socket.h>

#define LIMIT_ADDRESSES 1024u

struct limit {
    double per_s, burst;
    struct limit_entry {
        uint64_t key; /* 0: free */
        double tokens;
        int64_t at_ns;
    } at[LIMIT_ADDRESSES];
};

void limit_init(struct limit *l, double per_s, double burst);
/* IPv6: of its /64. Never 0. */
uint64_t limit_key(const struct sockaddr *a);
/* Takes one token. False: too often. */
int limit_take(struct limit *l, uint64_t key, int64_t now_ns);
int limit_empty(struct limit *l, uint64_t key, int64_t now_ns); /* takes none */

#endif
