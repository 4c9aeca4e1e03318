/* SPDX-License-Identifier: Apache-2.0
 *
 * A host's side of the secrets protocol, for tests: tokens of our own making, sealed requests,
 * opened replies.
 */
#ifndef TRELLIS_TESTS_HOSTASK_H
#define TRELLIS_TESTS_HOSTASK_H

#include "base/str.h"
#include "xkey.h"

struct hostask {
    const char *key, *version, *policy; /* version: JSON or NULL; policy: NULL: {} */
    long exp;                           /* of the entity's token; 0: none */
    bool bad_entity, bad_host, not_json;
};

struct hostask_box {
    struct xkey own;
    char own_text[NKEY_PUBLIC_LEN + 1]; /* header WasmCloud-Host-Xkey */
    uint8_t bytes[8192];
    size_t n;
};

/* server: public transit key, as server_xkey tells it. */
void hostask_seal(const struct hostask *q, str server, struct hostask_box *ret);
/* A sealed reply's text, owned; NULL: it does not open. header: Server-Response-Xkey. */
char *hostask_open(const struct hostask_box *box, str header, str body);
/* The component in the token, "M...". */
void hostask_entity(char ret[NKEY_PUBLIC_LEN + 1]);

#endif
