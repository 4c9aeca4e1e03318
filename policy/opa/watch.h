/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether the rules changed: asks the server for its policies, or for the document revision_path,
 * every watch_ms while anybody wants to know. [thread] of curl_thread.h throughout.
 */
#ifndef OPA_WATCH_H
#define OPA_WATCH_H

#include "../../plugins/common/curl_thread.h"
#include "opts.h"

struct watch;

struct watch *watch_create(const trl_host *host, const struct opts *o, struct http *h);
void watch_destroy(struct watch *w); /* after watch_end, or never used */

void watch_add(struct watch *w, trl_op *op);                   /* taken */
void watch_cancel(struct watch *w, trl_op *op, trl_status st); /* unknown ones are ignored */
void watch_resume(struct watch *w, trl_op *op);
void watch_end(struct watch *w);                     /* ends all with CLOSED */
int64_t watch_tick(struct watch *w, int64_t now_ns); /* returns when to be called again */

/* The number of the rules as last seen; 0: not known, nothing may be kept until they change. */
uint64_t watch_era(const struct watch *w);

#endif
