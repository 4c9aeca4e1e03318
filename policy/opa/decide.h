/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls of decide(): their subjects into requests, answers into verdicts. [thread] of curl_thread.h
 * unless it says otherwise.
 */
#ifndef OPA_DECIDE_H
#define OPA_DECIDE_H

#include "../../plugins/common/curl_thread.h"
#include "opts.h"
#include "watch.h"

struct calls;
struct call;

struct calls *calls_create(const trl_host *host, const struct opts *o, struct http *h,
                           struct watch *w);
void calls_destroy(struct calls *c); /* after calls_end, or never used */

/* [loop] Copies the subjects. Owned by the caller until calls_begin takes it. */
struct call *call_create(struct calls *c, trl_op *op, uint32_t point, const void *subjects,
                         uint32_t n, uint32_t stride);
void call_destroy(struct call *call); /* one that never began; its op is not touched */

void calls_begin(struct calls *c, struct call *call); /* taken */
void calls_cancel(struct calls *c, trl_op *op);       /* unknown ones are ignored */
void calls_resume(struct calls *c, trl_op *op);
void calls_end(struct calls *c); /* ends all with CLOSED */

#endif
