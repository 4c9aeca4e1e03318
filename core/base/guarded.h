/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory for secret bytes: locked (never swapped), left out of core dumps, between guard pages,
 * wiped when it is freed. A block costs at least four pages, so it holds values, not tables.
 */
#ifndef TRELLIS_BASE_GUARDED_H
#define TRELLIS_BASE_GUARDED_H

#include <stdbool.h>
#include <stddef.h>
#include <trellis/abi.h>

#include "base/str.h"

struct guarded; /* owned by whoever holds the pointer; not shared between threads */

/* [any] NULL when no memory can be locked (RLIMIT_MEMLOCK): the caller fails the one operation. */
struct guarded *guarded_create(const void *bytes, size_t n);
void guarded_free(struct guarded *g); /* wipes; NULL is fine */
/* Borrowed until guarded_free. Never printed, never put into JSON that leaves guarded memory. */
str guarded_bytes(const struct guarded *g);

/* [any] Plain blocks of the same kind, for codes that fill them piece by piece. */
void *guarded_alloc(size_t n); /* NULL as above; contents undefined */
void guarded_release(void *p); /* wipes; NULL is fine */

#endif
