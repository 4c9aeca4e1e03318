/* SPDX-License-Identifier: Apache-2.0
 *
 * What a host asks a secrets service, and what it hears (lattice protocol, section 5): bodies, not
 * yet sealed or already opened. Pure. A value is read in place and decoded into memory that the
 * caller guards; refusals tell none.
 */
#ifndef TRELLIS_AGENT_SECRET_WIRE_H
#define TRELLIS_AGENT_SECRET_WIRE_H

#include "base/arena.h"

#define SECRET_REFUSAL_MAX 300u /* bytes of a service's own text that are kept */

struct secret_get { /* borrowed; empty ones are null */
    str key, field, version, app;
    str properties; /* JSON object or empty */
    str entity_jwt, host_jwt;
};
void secret_get_write(const struct secret_get *q, struct buf *out);

struct secret_got {
    char *value; /* in `to` */
    size_t n;
    bool binary;
    str version; /* in the arena */
};
/* opened: in guarded memory; to: room for opened.len bytes of the same. False: it holds none. */
bool secret_got_read(str opened, char *to, struct arena *a, struct secret_got *ret);

/* A reply in plain text is a refusal: NOTFOUND, DENIED, INVALID, UNAVAIL, INTERNAL. *ret_why: one
 * line in the arena. *ret_keys: it could not open what was sent, or knows no such key. */
trl_status secret_refusal_read(str body, struct arena *a, str *ret_why, bool *ret_keys);

#endif
