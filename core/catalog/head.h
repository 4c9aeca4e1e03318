/* SPDX-License-Identifier: Apache-2.0
 *
 * The head record of an app: as stored, and every change of it as a pure function.
 */
#ifndef TRELLIS_CATALOG_HEAD_H
#define TRELLIS_CATALOG_HEAD_H

#include "base/arena.h"
#include "base/err.h"
#include "catalog/catalog.h"

/* Three quarters of what a store takes: room for the transport's own headers. */
#define HEAD_MAX_BYTES (768u * 1024u)

struct head {
    struct arena arena;
    struct app app; /* its arrays and strings live in the arena */
};

/* JSON text to head. *ret: owned (head_destroy). */
int head_parse(str text, struct head **ret, struct err *err);
void head_write(const struct app *a, struct buf *out);
struct head *head_dup(const struct app *a); /* owned, deep */
void head_destroy(struct head *h);          /* NULL is fine */
/* Does the head name that version: visible, or applied? */
bool head_names(const struct app *a, uint32_t n);
bool head_applied(const struct app *a, uint32_t n);

#endif
