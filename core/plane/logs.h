/* SPDX-License-Identifier: Apache-2.0
 *
 * The last lines that were logged, in a ring of fixed size, beside where they go anyhow. Loop only.
 */
#ifndef TRELLIS_PLANE_LOGS_H
#define TRELLIS_PLANE_LOGS_H

#include <trellis/kind/extension.h>

#include "base/log.h"
#include "plug/loop.h"

#define LOGS_LINES 2048u

struct logs;

/* to: where lines go; borrowed, may be NULL. */
struct logs *logs_create(struct loop *loop, const struct log *to);
void logs_destroy(struct logs *l); /* NULL is fine */
/* To log through; lives as long as l, at the level of `to`. */
const struct log *logs_log(const struct logs *l);

uint64_t logs_first(const struct logs *l); /* the oldest kept; 0: none */
uint64_t logs_last(const struct logs *l);
/* Those behind `after`, in order, at most max; returns the last number told, or after. */
uint64_t logs_next(const struct logs *l, uint64_t after, uint32_t max,
                   void (*fn)(void *arg, const trl_log_record *r), void *arg);
void logs_watch(struct logs *l, void (*fn)(void *arg), void *arg); /* one; NULL: nobody */

#endif
