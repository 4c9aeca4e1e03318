/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "plug/inst_priv.h"
#include "plug/must.h"
#include "plug/negotiate.h"
#include "plug/watch.h"

/* Known to LeakSanitizer only: what a stuck plugin may still touch is kept on purpose. */
void __lsan_ignore_object(const void *p) __attribute__((weak));

const char *inst_name(const struct plug_inst *in, char *buf, size_t cap) {
    snprintf(buf, cap, "%s '%s' (%s %s)", in->component->iface, in->component->name, in->plugin->id,
             in->plugin->version);
    return buf;
}

void inst_on_stopped(struct plug_inst *in, void (*fn)(void *arg, struct plug_inst *in), void *arg) {
    *VEC_ADD(&in->hooks) = (struct inst_hook){fn, arg};
}

void inst_forget_hook(struct plug_inst *in, void (*fn)(void *arg, struct plug_inst *in),
                      void *arg) {
    for (uint32_t i = 0; i < in->hooks.n; i++) {
        if (in->hooks.at[i].fn == fn && in->hooks.at[i].arg == arg) {
            in->hooks.at[i] = in->hooks.at[--in->hooks.n];
            return;
        }
    }
}

void inst_job(struct plug_inst *in, void (*fn)(void *arg), void *arg) {
    in->n_calls++;
    workers_submit(in->threads, fn, arg);
}

void inst_job_over(struct plug_inst *in) {
    in->n_calls--;
    inst_progress(in);
}

/* Starting */

static void on_started(void *arg, trl_status st, trl_bytes result, const trl_err *err) {
    struct plug_inst *in = arg;
    (void)result;
    in->start_op = NULL;
    if (in->state == INST_STARTING) {
        in->state = st == TRL_OK ? INST_READY : INST_FAILED;
    } else if (st == TRL_OK) { /* stop came first: nobody may use it */
        st = TRL_E_CANCELLED;
    }
    if (in->on_started) {
        in->on_started(in->on_started_arg, st, err);
    }
}

void plug_inst_start(struct plug_inst *in, int64_t timeout_ns,
                     void (*done)(void *arg, trl_status st, const trl_err *e), void *arg) {
    plug_must(in->state == INST_CREATED, "an instance is started once, and before it is stopped");
    in->state = INST_STARTING;
    in->on_started = done;
    in->on_started_arg = arg;
    struct op_handler h = {.on_done = on_started, .arg = in};
    trl_op *op = op_internal(in, timeout_ns, &h);
    in->start_op = op;
    if (in->component->start) {
        struct watch w;
        watch_enter(in, &w);
        in->component->start(in->raw, op);
        watch_leave(in, &w, "start");
    } else {
        in->host.op_done(op, TRL_OK, (trl_bytes){NULL, 0}, NULL);
    }
}

/* Stopping */

static void call_waiters(struct plug_inst *in) {
    struct inst_waiter *at = in->waiters.at;
    uint32_t n = in->waiters.n;
    in->waiters.at = NULL;
    in->waiters.n = in->waiters.cap = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (at[i].done) {
            at[i].done(at[i].arg); /* the last one may destroy the instance */
        }
    }
    mem_free(at);
}

static void on_call_waiters(void *arg) {
    call_waiters(arg);
}

static void end_callbacks(struct plug_inst *in) {
    in->state = INST_STOPPED;
    loop_timer_stop(&in->grace);
    host_timers_clear(in->timers);
    while (in->hooks.n) {
        struct inst_hook h = in->hooks.at[--in->hooks.n];
        h.fn(h.arg, in);
    }
}

void inst_progress(struct plug_inst *in) {
    if (in->state != INST_STOPPING || in->first || in->n_calls || !gate_try_close(in->gate)) {
        return;
    }
    end_callbacks(in);
    if (in->own_threads) {
        workers_finish(in->threads, true);
        in->own_threads = false;
        in->threads = NULL;
    }
    call_waiters(in);
}

static void on_stop_done(void *arg, trl_status st, trl_bytes result, const trl_err *err) {
    struct plug_inst *in = arg;
    char name[160];
    (void)result;
    in->stop_op = NULL;
    if (st != TRL_OK) {
        log_warn(in->log, "%s: stop: %.*s", inst_name(in, name, sizeof(name)),
                 err ? (int)err->msg_len : 0, err ? err->msg : "");
    }
}

/* The plugin holds ops, a call or its stop for ever: nothing of it may be freed. */
static void on_grace_over(void *arg) {
    struct plug_inst *in = arg;
    char name[160];
    int64_t now = loop_now_ns(in->loop);
    inst_name(in, name, sizeof(name));
    for (trl_op *op = in->first; op; op = op->next) {
        log_error(in->log, "%s: %s left unfinished after %lld ms", name,
                  op == in->stop_op    ? "stop"
                  : op == in->start_op ? "start"
                                       : "an operation",
                  (long long)((now - op->begun_ns) / 1000000));
    }
    log_error(in->log,
              "%s: did not stop within %lld ms (%u operations, %u calls open): it is given up and "
              "stays mapped",
              name, (long long)(INST_GRACE_NS / 1000000), in->n_ops, in->n_calls);
    in->leaked = true;
    gate_close(in->gate);
    end_callbacks(in);
    for (trl_op *op = in->first; op; op = op->next) {
        op_give_up(op);
    }
    if (in->own_threads) {
        workers_finish(in->threads, false);
    }
    loop_post(in->loop, on_call_waiters, in); /* behind everything that passed the gate */
}

void inst_init_grace(struct plug_inst *in) {
    loop_timer_init(&in->grace, in->loop, on_grace_over, in);
}

static void cancel_all(struct plug_inst *in) {
    trl_op *op = in->first;
    while (op) {
        trl_op *next = op->next; /* completions come in later turns: the list stands still */
        op_cancel(op);
        op = next;
    }
}

static void begin_stop(void *arg) {
    struct plug_inst *in = arg;
    gate_ran(in->gate);
    loop_timer_start(&in->grace, INST_GRACE_NS);
    cancel_all(in);
    if (in->component->stop) {
        struct op_handler h = {.on_done = on_stop_done, .arg = in};
        in->stop_op = op_internal(in, 0, &h);
        struct watch w;
        watch_enter(in, &w);
        in->component->stop(in->raw, in->stop_op);
        watch_leave(in, &w, "stop");
    }
    inst_progress(in);
}

void plug_inst_stop(struct plug_inst *in, void (*done)(void *arg), void *arg) {
    *VEC_ADD(&in->waiters) = (struct inst_waiter){done, arg};
    if (in->state == INST_STOPPING) {
        return;
    }
    if (in->state == INST_STOPPED) {
        loop_post(in->loop, on_call_waiters, in);
        return;
    }
    bool began = in->state != INST_CREATED;
    in->state = INST_STOPPING;
    if (began) {
        gate_post(in->gate, begin_stop, in);
    } else { /* never started: nothing of it runs */
        end_callbacks(in);
        gate_close(in->gate);
        loop_post(in->loop, on_call_waiters, in);
    }
}

void plug_inst_destroy(struct plug_inst *in) {
    if (!in) {
        return;
    }
    plug_must(in->state == INST_CREATED || in->state == INST_STOPPED,
              "an instance is stopped before it is destroyed");
    plug_remove(in->plug, in);
    if (in->leaked) {
        if (__lsan_ignore_object) {
            __lsan_ignore_object(in);
        }
        return;
    }
    plug_must(!in->first, "no operation is begun on an instance that is being destroyed");
    gate_close(in->gate);
    in->component->destroy(in->raw);
    host_timers_destroy(in->timers);
    gate_unref(in->gate);
    VEC_FREE(&in->waiters);
    VEC_FREE(&in->hooks);
    mem_free(in->ifaces);
    mem_free(in->table);
    if (in->own_threads) {
        workers_finish(in->threads, true);
    }
    in->magic = 0;
    mem_free(in);
}

trl_inst *plug_inst_raw(struct plug_inst *in) {
    return in->raw;
}

const void *plug_inst_table(struct plug_inst *in) {
    return in->table;
}

const trl_component *plug_inst_component(struct plug_inst *in) {
    return in->component;
}

const trl_plugin *plug_inst_plugin(struct plug_inst *in) {
    return in->plugin;
}

struct plug *plug_inst_plug(struct plug_inst *in) {
    return in->plug;
}

bool plug_inst_ready(const struct plug_inst *in) {
    return in->state == INST_READY;
}

const struct plug_counts *plug_inst_counts(const struct plug_inst *in) {
    return &in->counts;
}
