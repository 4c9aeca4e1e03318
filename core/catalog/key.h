/* SPDX-License-Identifier: Apache-2.0
 *
 * The store's keys: made and read back. Pure.
 */
#ifndef TRELLIS_CATALOG_KEY_H
#define TRELLIS_CATALOG_KEY_H

#include "base/arena.h"

#define KEY_MAX_BYTES 250u /* the store's limit (kind/store.h) */

enum key_kind {
    KEY_OTHER,   /* nothing of ours, or a form of a later release: left alone */
    KEY_HEAD,    /* 1.<tenant>.<lattice>.app.<app>                            */
    KEY_VERSION, /* 1.<tenant>.<lattice>.ver.<app>.<uid>-<n>                  */
    KEY_PART,    /* ... .p<k>                                                 */
    KEY_LEASE,   /* 1.<tenant>.<lattice>.lease                                */
};

struct key {
    enum key_kind kind;
    str tenant, lattice, app; /* unescaped */
    str uid;
    uint32_t n, part; /* part: from 1 */
};

/* Appends a token: what is outside [A-Za-z0-9_-] becomes =XX. */
void key_escape(struct buf *out, str token);
/* Writes the key (out is cleared first). False when a token is empty or too long. */
bool key_format(const struct key *k, struct buf *out);
/* Unescaped tokens live in the arena. False: KEY_OTHER. */
bool key_parse(str text, struct arena *a, struct key *ret);
/* The tenant token: "_" when there is none. */
str key_tenant(str tenant);

#endif
