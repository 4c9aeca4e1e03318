/* SPDX-License-Identifier: Apache-2.0
 *
 * What is published: wadm's status and events, our events and command records. Goes to the bus, to
 * watchers and into the journal.
 */
#ifndef TRELLIS_API_ANNOUNCE_H
#define TRELLIS_API_ANNOUNCE_H

#include "api/journal.h"
#include "engine/engine.h"
#include "plug/bus.h"

struct announce;

struct announce *announce_create(struct loop *loop, struct bus *bus, struct journal *journal,
                                 const struct log *log, size_t max_payload);
void announce_destroy(struct announce *a);
void announce_watch(struct announce *a, void (*fn)(void *arg, str subject, str body), void *arg);

/* in: the trace it belongs to, for a header `traceparent`; NULL or unknown: none. */
/* wadm.evt.<lattice>.manifest_published: manifest is its JSON. */
void announce_published(struct announce *a, str lattice, str manifest, const struct trace_ctx *in);
void announce_unpublished(struct announce *a, str lattice, str app, const struct trace_ctx *in);
void announce_status(struct announce *a, str tenant, str lattice, str app,
                     const struct app_status *s, const struct trace_ctx *in);
/* Purges the retained status of an app that is gone. */
void announce_forget(struct announce *a, str lattice, str app);
/* trellis.evt.<lattice>.<kind>. version: ptr NULL when it does not matter. */
void announce_event(struct announce *a, const char *kind, str tenant, str lattice, str app,
                    str version, const struct trace_ctx *in);
struct announce_audit { /* a change asked for through an extension; borrowed */
    str tenant, lattice, app;
    const char *category, *operation;
    str caller;  /* finished JSON or empty */
    str outcome; /* "ok" or the code of the refusal */
    const struct trace_ctx *in;
};
void announce_audit(struct announce *a, const struct announce_audit *x);
void announce_command(struct announce *a, str tenant, const struct command_record *r);

#endif
