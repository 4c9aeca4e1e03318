/* SPDX-License-Identifier: Apache-2.0
 *
 * The record of one version, as stored. Pure. A manifest that is too large for one value lies in
 * parts (raw slices of its text) under keys of their own.
 */
#ifndef TRELLIS_CATALOG_VERSION_H
#define TRELLIS_CATALOG_VERSION_H

#include "base/arena.h"
#include "base/err.h"

/* Half of what a store takes: room for the record's own members and a transport's headers. */
#define VERSION_PART_BYTES (512u * 1024u)
#define VERSION_MAX_PARTS  99u /* two digits: the key still fits */

struct version_record {
    uint32_t n;
    str version;
    int64_t created_ms;
    uint32_t parts; /* 0: the manifest is in the record */
    uint64_t size;  /* bytes of the manifest's text */
    str manifest;   /* ptr NULL when in parts */
};

/* Parts needed for a manifest of that size. */
uint32_t version_parts(size_t size);
str version_part(str manifest, uint32_t k); /* k from 1; borrowed */
void version_format(const struct version_record *r, struct buf *out);
/* ret->manifest points into text; the rest lives in the arena. */
int version_parse(str text, struct arena *a, struct version_record *ret, struct err *err);

#endif
