/* SPDX-License-Identifier: Apache-2.0
 *
 * Rotation: the server tells nobody, so metadata is asked for from time to time, for all watches
 * one after the other, on a thread of the work pool. The list belongs to the loop.
 */
#ifndef VAULT_WATCH_H
#define VAULT_WATCH_H

#include "kv.h"

/* [any] Takes op over; it is completed when it is cancelled or the instance stops. */
void watch_add(trl_inst *in, trl_op *op, const struct kv_ref *ref);
void watch_cancel(trl_inst *in, trl_op *op); /* [any] */
void watch_resume(trl_inst *in, trl_op *op); /* [any] */
void watch_end_all(trl_inst *in);            /* [loop] */

#endif
