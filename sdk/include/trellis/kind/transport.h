/* SPDX-License-Identifier: Apache-2.0
 *
 * transport/1: subject messaging. Semantics are those of core NATS; both shipped transports pass
 * the same suite. All functions [per thread model]; ops follow host.h.
 */
#ifndef TRELLIS_KIND_TRANSPORT_H
#define TRELLIS_KIND_TRANSPORT_H

#include <trellis/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TRL_T_DURABLE 1u /* has retained streams: forget() is there */

/* watch_link emits one of these as a single byte of op_emit */
#define TRL_LINK_DOWN 0
#define TRL_LINK_UP   1

typedef struct trl_transport_v1 {
    uint32_t struct_size, flags;
    uint32_t max_payload; /* bytes; 0: ask info */
    uint32_t reserved;
    /* op may be NULL: nobody waits. Else done when handed to the transport. Messages published one
     * after another arrive at each subscriber in that order. */
    void (*publish)(trl_inst *, trl_op *op, const trl_msg *m);
    /* Delivers exactly one reply through host.msg/1, then completes with TRL_OK; or completes with
     * TRL_E_NORESPONDER at once when nobody subscribes the subject, TRL_E_UNAVAIL while the link is
     * down. The op's deadline is the core's affair: on cancel just complete with CANCELLED.
     * m->reply is ignored. */
    void (*request)(trl_inst *, trl_op *op, const trl_msg *m);
    /* As request, any number of replies until cancelled; completes with NORESPONDER when nobody
     * subscribes, else only by cancel. */
    void (*request_many)(trl_inst *, trl_op *op, const trl_msg *m);
    /* A stream of messages until cancelled. queue: of all members with that name one gets each
     * message; empty: everyone does. In force for what this instance publishes afterwards. Goes on
     * by itself after a reconnect. */
    void (*subscribe)(trl_inst *, trl_op *op, trl_str subject, trl_str queue);
    /* Emits the present state, then every change; ends by cancel. */
    void (*watch_link)(trl_inst *, trl_op *op);
    /* The op was cancelled: complete it soon. */
    void (*cancel)(trl_inst *, trl_op *op);
    /* A stream that got TRL_E_BUSY may go on. */
    void (*resume)(trl_inst *, trl_op *op);
    /* Drops retained messages of a subject (TRL_T_DURABLE); NULL otherwise. */
    void (*forget)(trl_inst *, trl_op *op, trl_str subject);
    /* One JSON object: server, version, url, rtt... for `trellis lattice`; may be NULL. */
    void (*info)(trl_inst *, trl_op *op);
} trl_transport_v1;

#ifdef __cplusplus
}
#endif
#endif
