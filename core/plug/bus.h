/* SPDX-License-Identifier: Apache-2.0
 *
 * A transport as the core uses it. All on the loop; callbacks run in a later turn.
 */
#ifndef TRELLIS_PLUG_BUS_H
#define TRELLIS_PLUG_BUS_H

#include "base/str.h"
#include "plug/plug.h"

struct bus;
struct bus_sub;
struct bus_call;

/* in: a started transport/1 instance, borrowed for the life of the bus. */
struct bus *bus_create(struct plug_inst *in);
void bus_destroy(struct bus *b); /* ends all subscriptions and calls without callbacks */

struct bus_msg {
    str subject, reply;
    const trl_label *headers;
    uint32_t n_headers;
    str body;
};

void bus_publish(struct bus *b, const struct bus_msg *m);
/* Told when the transport took it, or could not. */
void bus_publish_cb(struct bus *b, const struct bus_msg *m, void (*done)(void *arg, trl_status st),
                    void *arg);
void bus_publish_forget(struct bus *b, const void *arg); /* no callback with that arg any more */
/* Exactly one callback; m is NULL unless st is TRL_OK. The pointer is dead after it. */
struct bus_call *bus_request(struct bus *b, const struct bus_msg *m, int64_t timeout_ns,
                             void (*on_reply)(void *arg, trl_status st, const struct bus_msg *m),
                             void *arg);
/* Many replies (TRL_OK with m), then the end (m NULL; TIMEOUT is the normal end). */
struct bus_call *
bus_request_many(struct bus *b, const struct bus_msg *m, int64_t timeout_ns,
                 void (*on_reply)(void *arg, trl_status st, const struct bus_msg *m), void *arg);
void bus_call_cancel(struct bus_call *c); /* no callback any more */

struct bus_sub *bus_subscribe(struct bus *b, str subject, str queue,
                              void (*on_msg)(void *arg, const struct bus_msg *m), void *arg);
void bus_unsubscribe(struct bus_sub *s);

/* on_link(up) once soon and at each change. One watcher per call; lives as long as the bus. */
void bus_watch_link(struct bus *b, void (*on_link)(void *arg, bool up), void *arg);
bool bus_up(const struct bus *b);

/* Drops retained messages of a subject, where the transport has such. */
void bus_forget(struct bus *b, str subject);
/* Transport's info JSON (borrowed); st != TRL_OK: none. */
void bus_info(struct bus *b, void (*done)(void *arg, trl_status st, str json), void *arg);

/* The table to offer as "host.transport/1"; ctx of the iface is the bus. */
extern const trl_host_transport_v1 bus_host_iface;

#endif
