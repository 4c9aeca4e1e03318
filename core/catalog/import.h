/* SPDX-License-Identifier: Apache-2.0
 *
 * Takes over what wadm stored: models under <lattice>-<app> (multitenant:
 * <account>-<lattice>-<app>) of a bucket, with the order of their versions and the deployed mark.
 * wadm's records stay as they are. A lattice is imported once: a key of ours remembers it, so that
 * a deleted app does not come back.
 */
#ifndef TRELLIS_CATALOG_IMPORT_H
#define TRELLIS_CATALOG_IMPORT_H

#include "catalog/catalog.h"

struct import_result {
    uint32_t apps, versions, deployed; /* taken over */
    uint32_t skipped;                  /* records or versions that could not be read (logged) */
    const char *err;                   /* NULL: all done; else what stopped it */
};

struct import;

/* source: where wadm's records are; kv: where ours are (they may be the same). The catalog must be
 * loaded. done runs once, in a later turn, and the import is gone afterwards. */
struct import *catalog_import_wadm(struct catalog *c, struct kv *source, struct kv *kv,
                                   const struct log *log, bool multitenant,
                                   void (*done)(void *arg, const struct import_result *r),
                                   void *arg);
/* Before done: no callback any more. Then the catalog must be destroyed in the same turn. */
void catalog_import_cancel(struct import *im);

#endif
