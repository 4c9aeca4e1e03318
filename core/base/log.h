/* SPDX-License-Identifier: Apache-2.0
 *
 * Logging goes to a sink that the owner of the control plane provides; nothing here does I/O.
 */
#ifndef TRELLIS_BASE_LOG_H
#define TRELLIS_BASE_LOG_H

#include "base/str.h"

struct log {
    int level; /* TRL_LOG_*: highest that is shown */
    void (*sink)(void *arg, int level, str msg,
                 str fields); /* one finished line; fields: flat JSON or empty */
    void *arg;
};

/* l may be NULL: nothing is logged. */
__attribute__((format(printf, 3, 4))) void log_at(const struct log *l, int level, const char *fmt,
                                                  ...);
#define log_error(l, ...) log_at(l, TRL_LOG_ERROR, __VA_ARGS__)
#define log_warn(l, ...)  log_at(l, TRL_LOG_WARN, __VA_ARGS__)
#define log_info(l, ...)  log_at(l, TRL_LOG_INFO, __VA_ARGS__)
#define log_debug(l, ...) log_at(l, TRL_LOG_DEBUG, __VA_ARGS__)

#endif
