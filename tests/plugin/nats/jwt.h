/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys and JWTs of a NATS operator, an account and a user, made for one test.
 */
#ifndef TESTS_NATS_JWT_H
#define TESTS_NATS_JWT_H

#include <stdint.h>

struct key {
    unsigned char secret[64];
    char seed[59], pub[57];
};

/* kind: 'O' operator, 'A' account, 'U' user. */
void key_make(struct key *k, char kind);
/* nats: the JSON of the claims' "nats" member. Owned. */
char *jwt_make(const struct key *subject, const struct key *issuer, const char *name,
               const char *nats);

#endif
