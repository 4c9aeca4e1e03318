/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens of our own, for those who ask for secrets as a host does: what jwt.h verifies. Pure; times
 * in seconds of the UNIX clock. The seed is the caller's, who keeps it in guarded memory.
 */
#ifndef SECRETS_COMMON_JWT_ISSUE_H
#define SECRETS_COMMON_JWT_ISSUE_H

#include "jwt.h"

struct jwt_claims { /* strings are borrowed */
    unsigned kind;  /* JWT_COMPONENT, JWT_PROVIDER or JWT_HOST */
    const char *iss, *sub;
    trl_str name;
    int64_t iat_s, exp_s;
};
/* Signed with the seed of the key that iss is. malloc'ed text; NULL: no memory, or the name is no
 * UTF-8. */
char *jwt_issue(const struct jwt_claims *c, const uint8_t seed[32]);

#endif
