/* SPDX-License-Identifier: Apache-2.0
 *
 * A recorded session of wash replayed against a server with a real engine, however it is reached.
 * Every reply must have wadm's members, result and texts; what tells of the state of hosts (theirs
 * were others) must have the same shape, and come to the same type of status.
 */
#ifndef TRELLIS_TESTS_REPLAY_H
#define TRELLIS_TESTS_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct carrier {
    /* One request; the reply's text, owned by the caller. NULL: none came. */
    char *(*ask)(void *arg, const char *subject, const char *content_type, str body);
    void (*pass)(void *arg); /* lets a moment pass */
    void *arg;
};

struct replay_counts {
    uint32_t replies;  /* compared */
    uint32_t equal;    /* to the last byte of data */
    uint32_t statuses; /* that tell of hosts: shape and type of status compared */
    uint32_t wrong;    /* said on stderr */
};

/* False: there is no such recording. */
bool replay_session(const char *name, const struct carrier *c, struct replay_counts *ret);

#endif
