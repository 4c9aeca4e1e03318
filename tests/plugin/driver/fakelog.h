/* SPDX-License-Identifier: Apache-2.0
 *
 * host.observe/1 as lines of text.
 */
#ifndef TESTS_DRIVER_FAKELOG_H
#define TESTS_DRIVER_FAKELOG_H

#include <trellis/trellis.h>

#include "fakeseen.h"

struct line;
struct lines {
    struct line *first, **tail; /* tail: set by the owner to &first */
    struct seen seen;           /* likewise: seen_init, seen_finish */
};
__attribute__((format(printf, 2, 3))) void lines_say(struct lines *l, const char *fmt, ...);
uint32_t lines_count(const struct lines *l, const char *part);
void lines_clear(struct lines *l);
void lines_print(const struct lines *l);

struct lines *core_log(void *ctx); /* of the core that is the ctx of the table below */
extern const trl_host_observe_v1 log_observe;

#endif
