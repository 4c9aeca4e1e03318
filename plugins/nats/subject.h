/* SPDX-License-Identifier: Apache-2.0
 *
 * Subjects: tokens joined by '.'. The server cuts off a client that sends a malformed one, so
 * nothing goes out unchecked.
 */
#ifndef NATS_SUBJECT_H
#define NATS_SUBJECT_H

#include <trellis/trellis.h>

/* A protocol line of the server is at most 4096 bytes, with subject, reply and sizes in it. */
#define SUBJECT_MAX 3000u

/* wildcards: '*' and a final '>' are allowed. */
int subject_ok(trl_str s, int wildcards);
/* Does pattern (with wildcards) cover every subject of s (which may have wildcards itself)? */
int subject_covers(trl_str pattern, trl_str s);

#endif
