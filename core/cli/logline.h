/* SPDX-License-Identifier: Apache-2.0
 *
 * Log lines of a service on stderr: with time and level, for eyes or as JSON.
 */
#ifndef TRELLIS_CLI_LOGLINE_H
#define TRELLIS_CLI_LOGLINE_H

#include "base/log.h"

struct logline {
    bool json, colour;
};

void logline_init(struct logline *l, bool json);
void logline_sink(void *arg, int level, str msg, str fields); /* of struct log; arg: the logline */

#endif
