/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames of the local socket: 4 bytes big-endian length, one JSON header line, then the raw body.
 * Header members: op (request, reply, subscribe, unsubscribe, message, end), id, subject, headers.
 */
#ifndef TRELLIS_PLANE_FRAME_H
#define TRELLIS_PLANE_FRAME_H

#include "base/err.h"
#include "base/str.h"

#define FRAME_MAX_BYTES (8u * 1024u * 1024u)
#define FRAME_HEADERS   8u

struct frame {
    char op[16];
    str id, subject; /* in the frame's scratch */
    trl_label headers[FRAME_HEADERS];
    uint32_t n_headers;
    str body; /* borrowed from the input */
};

struct arena;
/* One frame from the front of `in`. Returns the bytes it took, 0 when it is not complete yet, < 0
 * on garbage. */
long frame_read(str in, struct arena *a, struct frame *ret, struct err *err);
void frame_write(struct buf *out, const char *op, str id, str subject, const trl_label *headers,
                 uint32_t n_headers, str body);

#endif
