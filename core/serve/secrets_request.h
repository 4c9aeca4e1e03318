/* SPDX-License-Identifier: Apache-2.0
 *
 * A host's `get`, opened and checked. Pure but for libsodium's arithmetic: time comes in.
 */
#ifndef TRELLIS_SERVE_SECRETS_REQUEST_H
#define TRELLIS_SERVE_SECRETS_REQUEST_H

#include "base/arena.h"
#include "jwt.h"
#include "xkey.h"

/* The protocol's errors. */
enum secrets_error {
    SECRETS_OK,
    SECRETS_INVALID_ENTITY_JWT, /* with a text */
    SECRETS_INVALID_HOST_JWT,   /* with a text */
    SECRETS_NOT_FOUND,
    SECRETS_INVALID_XKEY,
    SECRETS_ENCRYPTION,
    SECRETS_DECRYPTION,
    SECRETS_UPSTREAM, /* with a text */
    SECRETS_UNAUTHORIZED,
    SECRETS_INVALID_REQUEST,
    SECRETS_INVALID_PAYLOAD,
    SECRETS_INVALID_HEADERS,
    SECRETS_POLICY, /* with a text */
    SECRETS_OTHER,  /* with a text */
};
/* {"error":...} as hosts read it. why is used where the error has a text. */
void secrets_error_write(enum secrets_error e, str why, struct buf *out);

struct secrets_get { /* strings live in the arena given */
    uint8_t host_xkey[32];
    str key, field, version; /* field, version: empty when null */
    str app;                 /* empty when null */
    str properties;          /* JSON object of the reference's policy, or empty */
    struct jwt entity, host;
};

/* body and xkey header (ptr NULL: absent) of a message; has_headers: it had any. now_s: UNIX time.
 */
enum secrets_error secrets_get_open(const struct xkey *transit, str body, bool has_headers,
                                    str xkey_header, int64_t now_s, struct arena *a,
                                    struct secrets_get *ret, str *ret_why);

#endif
