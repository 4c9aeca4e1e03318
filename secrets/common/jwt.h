/* SPDX-License-Identifier: Apache-2.0
 *
 * The tokens that components, providers and hosts present when they ask for a secret: parsed and
 * verified as wasmCloud's reference backend does it. A token proves that its holder's issuer signed
 * it, not that anybody trusts this issuer: grants are another matter. Pure; times in seconds of the
 * UNIX clock.
 */
#ifndef SECRETS_COMMON_JWT_H
#define SECRETS_COMMON_JWT_H

#include "nkey.h"

#define JWT_COMPONENT 1u
#define JWT_PROVIDER  2u
#define JWT_HOST      4u

#define JWT_MAX_BYTES (64u * 1024u)

struct jwt {
    unsigned
        kinds; /* of those asked for, the ones its metadata fit; all of them without metadata */
    int64_t exp_s, nbf_s; /* none: INT64_MAX and 0 */
    char iss[NKEY_PUBLIC_LEN + 1];
    char sub[NKEY_PUBLIC_LEN + 1]; /* a well-formed public key */
    char name[129];                /* empty: none, or longer than that */
};

/* kinds: JWT_*, any of them will do. 1: valid, *ret is filled. 0: why says why, in one line without
 * anything out of the token's signature. */
int jwt_verify(trl_str token, unsigned kinds, int64_t now_s, struct jwt *ret, char *why,
               size_t why_size);

#endif
