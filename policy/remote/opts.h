/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration, read and checked. Strings are owned by it and never change.
 */
#ifndef REMOTE_OPTS_H
#define REMOTE_OPTS_H

#include <trellis/helper.h>

struct opts {
    char *topic;
    char *changes_topic; /* NULL: none */
    uint32_t points;     /* bit n: point n */
    int64_t timeout_ms;
    uint32_t ttl_ms, max_requests;
};

extern const char opts_schema[];

/* config: JSON text that fits the schema. On failure *o is empty. */
trl_status opts_parse(trl_str config, struct opts *o, trl_err *err);
void opts_finish(struct opts *o);

#endif
