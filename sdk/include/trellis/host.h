/* SPDX-License-Identifier: Apache-2.0
 *
 * What the core offers a plugin: one small frozen table, and named interfaces fetched by id.
 * Thread tags: [loop] the core's loop thread only, [any] any thread, [pure] no side effects.
 */
#ifndef TRELLIS_HOST_H
#define TRELLIS_HOST_H

#include <trellis/abi.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The base table. `ctx` is passed back as the first argument where one is asked for. */
typedef struct trl_host {
    uint32_t struct_size;
    uint16_t abi_major, abi_minor;
    void *ctx;
    /* [any] One finished line; fields_json is a flat JSON object or empty. No secrets. */
    void (*log)(void *ctx, int32_t level, trl_str msg, trl_str fields_json);
    int32_t (*log_level)(void *ctx); /* [any] highest level that is shown */
    int64_t (*now_ns)(void *ctx);    /* [any] monotonic; virtual under test */
    /* [any] NULL if unknown. Static for the life of the instance. */
    const void *(*get_interface)(void *ctx, const char *id);
    /* [any] Completes an op exactly once; a second call returns TRL_E_CLOSED and changes nothing.
     * result and err are copied before it returns. The caller of the op hears of it in a later
     * turn of the loop, never inline. Drops the plugin's reference. */
    trl_status (*op_done)(trl_op *op, trl_status st, trl_bytes result, const trl_err *err);
    /* [any] One item of a stream (copied). TRL_E_BUSY: keep it, the core calls resume() later.
     * TRL_E_CLOSED: the op is over or cancelled: stop emitting. */
    trl_status (*op_emit)(trl_op *op, trl_bytes item);
    int32_t (*op_cancelled)(trl_op *op);   /* [any] */
    int64_t (*op_deadline_ns)(trl_op *op); /* [any] monotonic; INT64_MAX: none */
    void (*op_ref)(trl_op *op);            /* [any] for a plugin that touches an op after done */
    void (*op_unref)(trl_op *op);          /* [any] */
    /* [any] Runs fn(arg) on the loop in a later turn. TRL_E_CLOSED once the instance is stopped. */
    trl_status (*post)(void *ctx, void (*fn)(void *arg), void *arg);
} trl_host;

/* "host.loop/1": timers. [loop] */
#define TRL_HOST_LOOP_V1 "host.loop/1"
typedef struct trl_host_loop_v1 {
    uint32_t struct_size, flags;
    /* One-shot. Returns an id > 0. The id is dead once fn ran or stop was called. */
    uint64_t (*timer_start)(void *ctx, int64_t delay_ns, void (*fn)(void *arg), void *arg);
    void (*timer_stop)(void *ctx, uint64_t id); /* unknown or dead ids are ignored */
    uint64_t (*random)(void *ctx); /* seeded by the core; the only randomness allowed */
    int64_t (*wall_ms)(void *ctx); /* UNIX time in ms, for stamps only, never for decisions */
} trl_host_loop_v1;

/* "host.work/1": the core's bounded worker pool. */
#define TRL_HOST_WORK_V1 "host.work/1"
typedef struct trl_host_work_v1 {
    uint32_t struct_size, flags;
    /* [any] Runs work(arg) on a pool thread, then done(arg) on the loop. done always runs. */
    trl_status (*queue)(void *ctx, void (*work)(void *arg), void (*done)(void *arg), void *arg);
} trl_host_work_v1;

/* One message on a transport. Subjects follow NATS: tokens joined by '.', '*' one token, '>' the
 * rest. */
typedef struct trl_msg {
    uint32_t struct_size, flags;
    trl_str subject, reply;
    const trl_label *headers;
    uint32_t n_headers;
    uint32_t reserved;
    trl_bytes payload;
    uint64_t seq; /* of a durable stream, else 0 */
} trl_msg;

/* "host.msg/1": how a transport hands messages over without packing them into bytes. */
#define TRL_HOST_MSG_V1 "host.msg/1"
typedef struct trl_host_msg_v1 {
    uint32_t struct_size, flags;
    /* [any] Copied before it returns. For an op of subscribe(), request() or request_many().
     * TRL_E_BUSY: above the high mark; keep the message and wait for resume().
     * TRL_E_CLOSED: cancelled or over. */
    trl_status (*deliver)(trl_op *op, const trl_msg *m);
} trl_host_msg_v1;

/* "host.transport/1": the configured transport, for drivers and others that speak on the bus.
 * All [loop]; callbacks run on the loop, never inline. Callbacks of a stopped instance never run.
 */
#define TRL_HOST_TRANSPORT_V1 "host.transport/1"
typedef struct trl_host_transport_v1 {
    uint32_t struct_size, flags;
    void (*publish)(void *ctx, const trl_msg *m);
    /* Exactly one on_reply: TRL_OK with the message, else a status (TIMEOUT, NORESPONDER, ...) and
     * m == NULL. Returns an id > 0. */
    uint64_t (*request)(void *ctx, const trl_msg *m, int64_t timeout_ns,
                        void (*on_reply)(void *arg, trl_status st, const trl_msg *m), void *arg);
    /* Any number of on_reply with TRL_OK, then one with m == NULL when the time is over (TIMEOUT,
     * the normal end) or nobody listens (NORESPONDER). */
    uint64_t (*request_many)(void *ctx, const trl_msg *m, int64_t timeout_ns,
                             void (*on_reply)(void *arg, trl_status st, const trl_msg *m),
                             void *arg);
    /* queue may be empty. In force for everything published by this process afterwards. Survives
     * reconnects. Returns an id > 0. */
    uint64_t (*subscribe)(void *ctx, trl_str subject, trl_str queue,
                          void (*on_msg)(void *arg, const trl_msg *m), void *arg);
    /* Ends a subscription or forgets a request; its callback does not run any more. */
    void (*cancel)(void *ctx, uint64_t id);
    /* Called with 1 (up) or 0 (down) on every change, and once soon after registering. */
    uint64_t (*watch_link)(void *ctx, void (*on_link)(void *arg, int32_t up), void *arg);
} trl_host_transport_v1;

#ifdef __cplusplus
}
#endif
#endif
