/* SPDX-License-Identifier: Apache-2.0
 *
 * How hosts put things: the envelope of events and of replies, times, uptimes.
 */
#ifndef TRELLIS_HOSTWIRE_WIRE_H
#define TRELLIS_HOSTWIRE_WIRE_H

#include "base/str.h"

#define WIRE_TIME 40

/* A member of scale and start requests that hosts of wasmCloud ignore: settings of a process, as
 * its trait has them. */
#define WIRE_SETTINGS "trellis_process"

/* The CloudEvents envelope; event is the bare name, data finished JSON. */
void wire_event(struct buf *out, const char *event, str source, const char *id, int64_t wall_ns,
                str data);
/* response: finished JSON, ptr NULL for none. */
void wire_reply(struct buf *out, bool success, str message, str response);
void wire_time(int64_t wall_ns, char ret[WIRE_TIME]); /* RFC 3339, UTC, nanoseconds */
void wire_uptime(uint64_t seconds, struct buf *out);  /* "1day 3h 5s" */
bool wire_key_ok(str key);                            /* legal as a key of a bucket */
str wire_provider_image(str image); /* as hosts report it: a part of image, without its scheme */

#endif
