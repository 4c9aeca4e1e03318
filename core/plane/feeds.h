/* SPDX-License-Identifier: Apache-2.0
 *
 * host.trace/1 and host.logs/1: the rings of spans and lines, as extensions read them.
 */
#ifndef TRELLIS_PLANE_FEEDS_H
#define TRELLIS_PLANE_FEEDS_H

#include <trellis/trellis.h>

#include "plane/extensions.h"

extern const trl_host_trace_v1 feeds_trace_iface; /* ctx of the iface: the extensions */
extern const trl_host_logs_v1 feeds_logs_iface;

/* extensions.c: what the feeds stand on. */
enum feed { FEED_EVENTS = 1, FEED_TRACE = 2, FEED_LOGS = 4 };
uint64_t extensions_epoch(const struct extensions *x);
struct tracer *extensions_tracer(const struct extensions *x);
struct logs *extensions_logs(const struct extensions *x);
uint64_t extensions_watch(struct extensions *x, void *ctx, enum feed feed,
                          void (*on_more)(void *arg), void *arg);
void extensions_unwatch(void *ctx, const char *iface, uint64_t id);

#endif
