/* SPDX-License-Identifier: Apache-2.0
 *
 * What policies are shown at the point `secret`: who wants to read what, and where. The same for
 * hosts that ask over the bus and for what runs on this machine. Strings are borrowed; empty ones
 * are left out.
 */
#ifndef TRELLIS_SERVE_SECRET_SUBJECT_H
#define TRELLIS_SERVE_SECRET_SUBJECT_H

#include "codec/json.h"

struct secret_subject {
    str host_id, host_issuer;
    bool provider;
    str entity, entity_issuer, entity_name;
    str app, backend, key, field, version;
    str properties; /* JSON object */
};
void secret_subject_write(const struct secret_subject *x, struct buf *out);

#endif
