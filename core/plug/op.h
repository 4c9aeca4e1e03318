/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations: started on the loop, completed exactly once from any thread, heard of in a later
 * turn. The core side. The plugin side is trl_host.op_*.
 */
#ifndef TRELLIS_PLUG_OP_H
#define TRELLIS_PLUG_OP_H

#include "base/guarded.h"
#include "plug/plug.h"

/* Callbacks run on the loop. on_done runs exactly once unless op_forget was called. result and err
 * are borrowed for the call. */
struct op_handler {
    void (*on_done)(void *arg, trl_status st, trl_bytes result, const trl_err *err);
    void (*on_item)(void *arg, trl_bytes item);  /* op_emit; NULL: none expected      */
    void (*on_msg)(void *arg, const trl_msg *m); /* host.msg/1; NULL: none expected   */
    void *arg;
};

/* A new op for the instance. deadline: now + timeout_ns, <= 0: none. On expiry on_done gets
 * TIMEOUT, the plugin is asked to cancel, and the op stays as a husk until the plugin completes it.
 * The caller passes the returned pointer to the kind's function at once; the core holds its own
 * reference. For TRL_SERIAL and TRL_PARALLEL instances use op_call. On an instance that is not
 * ready on_done gets CLOSED, whatever the plugin does with the op. */
trl_op *op_begin(struct plug_inst *in, int64_t timeout_ns, const struct op_handler *h);

/* Runs call(raw instance, op, arg) by the component's thread model: at once for TRL_LOOP, else on a
 * thread; free_arg(arg) runs on the loop afterwards (NULL: none). */
trl_op *op_call(struct plug_inst *in, int64_t timeout_ns, const struct op_handler *h,
                void (*call)(trl_inst *in, trl_op *op, void *arg), void *arg,
                void (*free_arg)(void *arg));
/* The same, but what the plugin says inside the call is heard at once, and NULL is returned when
 * that was all: on_done has run. on_item runs inside the plugin's call: it must not call back into
 * an instance. */
trl_op *op_call_now(struct plug_inst *in, int64_t timeout_ns, const struct op_handler *h,
                    void (*call)(trl_inst *in, trl_op *op, void *arg), void *arg,
                    void (*free_arg)(void *arg));

/* Called with the handler's arg just before on_done when the plugin answers by host.secret/1: value
 * is the callee's from then on. Without it the value is wiped. To be set in the turn of the call.
 */
void op_on_secret(trl_op *op, void (*fn)(void *arg, struct guarded *value, const trl_secret *s));

/* Asks the plugin to end it; on_done still comes (CANCELLED, or what the plugin says first). */
void op_cancel(trl_op *op);
/* As cancel, but no callback runs any more. The pointer is dead for the caller. */
void op_forget(trl_op *op);

/* Counters for tests and `status`. */
uint32_t op_outstanding(const struct plug_inst *in);
uint64_t op_refused_completions(const struct plug_inst *in);

#endif
