/* SPDX-License-Identifier: Apache-2.0 */
#include "plug/op.h"

#include <string.h>

#include "plug/inst_priv.h"
#include "plug/must.h"
#include "plug/negotiate.h"
#include "plug/watch.h"

/* Freed ops rest before they are used again, so that a plugin's late second completion meets one
 * that is DONE, not somebody else's. */
#define REST_COUNT 128u
#define HUSKS_MANY 100u

static void op_free(trl_op *op) {
    struct gate *g = op->gate;
    if (op->result != op->small) {
        mem_free(op->result);
    }
    mem_free(op->err);
    op_secret_free(op->secret);
    op->secret = NULL;
    op->result = NULL;
    op->err = NULL;
    op->next_free = NULL;
    pthread_mutex_lock(&g->lock);
    if (g->last_free) {
        g->last_free->next_free = op;
    } else {
        g->first_free = op;
    }
    g->last_free = op;
    g->n_free++;
    pthread_mutex_unlock(&g->lock);
    gate_unref(g);
}

void op_ref(trl_op *op) {
    atomic_fetch_add(&op->refs, 1);
}

void op_unref(trl_op *op) {
    if (atomic_fetch_sub(&op->refs, 1) == 1) {
        op_free(op);
    }
}

static trl_op *op_new(struct gate *g) {
    trl_op *op = NULL;
    pthread_mutex_lock(&g->lock);
    if (g->n_free > REST_COUNT) {
        op = g->first_free;
        g->first_free = op->next_free;
        g->n_free--;
    }
    pthread_mutex_unlock(&g->lock);
    if (!op) {
        op = mem_alloc(sizeof(*op));
    }
    memset(op, 0, sizeof(*op));
    gate_ref(g);
    op->gate = g;
    return op;
}

static trl_status known_status(trl_status st) {
    return st > 0 || st < TRL_E_NORESPONDER ? TRL_E_INTERNAL : st;
}

/* The handler hears of it, at most once. Every failure comes with a text. */
static void tell(trl_op *op, trl_status st, trl_bytes result, const trl_err *err) {
    if (op->told) {
        return;
    }
    op->told = true;
    loop_timer_stop(&op->timer);
    if (!op->internal) {
        op->in->counts.by_status[-known_status(st)]++;
        op->in->counts.spent_ns += loop_now_ns(op->in->loop) - op->begun_ns;
    }
    if (!op->handler.on_done) {
        return;
    }
    if (st == TRL_OK) {
        op_secret_tell(op);
    }
    trl_err own;
    if (st != TRL_OK && (!err || err->msg_len == 0)) {
        memset(&own, 0, sizeof(own));
        own.struct_size = sizeof(own);
        own.retry_after_ms = err ? err->retry_after_ms : 0;
        trl_errf(&own, st, "%s", err_name(st));
        err = &own;
    }
    op->handler.on_done(op->handler.arg, st, result, st == TRL_OK ? NULL : err);
}

static void unlink_op(trl_op *op) {
    struct plug_inst *in = op->in;
    *(op->prev ? &op->prev->next : &in->first) = op->next;
    *(op->next ? &op->next->prev : &in->last) = op->prev;
    if (!op->internal) {
        in->n_ops--;
    }
    if (op->husk) {
        in->husks--;
    }
}

static void conclude(trl_op *op) {
    op->over = true;
    loop_timer_stop(&op->timer);
    unlink_op(op);
    trl_bytes result = {op->result, op->result_len};
    tell(op, op->status, result, op->err);
}

/* Completion, seen on the loop. The core's reference ends here. */
static void on_completed(void *arg) {
    trl_op *op = arg;
    struct plug_inst *in = op->in;
    struct gate *g = op->gate;
    if (in->leaked) { /* told when it was given up */
        gate_ran(g);
        op_unref(op);
        return;
    }
    conclude(op);
    gate_ran(g);
    op_unref(op);
    inst_progress(in);
}

bool op_hears_at_once(const trl_op *op) {
    return atomic_load(&op->inside) && pthread_equal(pthread_self(), op->caller) &&
           atomic_load(&op->queued) == 0;
}

static void keep_result(trl_op *op, trl_status st, trl_bytes result, const trl_err *err) {
    op->status = known_status(st);
    op->result_len = result.len;
    if (result.len) {
        op->result = result.len <= sizeof(op->small) ? op->small : mem_alloc(result.len);
        memcpy(op->result, result.ptr, result.len);
    }
    if (op->status != TRL_OK && err && err->struct_size >= offsetof(trl_err, msg)) {
        op->err = mem_zalloc(sizeof(*op->err));
        size_t n = err->struct_size < sizeof(*err) ? err->struct_size : sizeof(*err);
        memcpy(op->err, err, n);
        op->err->struct_size = sizeof(*op->err);
        op->err->code = op->status;
        if (op->err->msg_len >= sizeof(op->err->msg)) {
            op->err->msg_len = sizeof(op->err->msg) - 1;
        }
        op->err->msg[op->err->msg_len] = '\0';
    }
}

trl_status op_done_with(trl_op *op, trl_status st, trl_bytes result, const trl_err *err,
                        struct op_secret *secret) {
    int want = OP_PENDING;
    if (!atomic_compare_exchange_strong(&op->state, &want, OP_DONE)) {
        want = OP_REFUSED; /* the caller knows already; only the plugin's reference is left */
        if (atomic_compare_exchange_strong(&op->state, &want, OP_DONE)) {
            op_unref(op);
        } else {
            atomic_fetch_add(&op->gate->refused, 1);
        }
        op_secret_free(secret);
        return TRL_E_CLOSED;
    }
    keep_result(op, st, result, err);
    op->secret = secret;
    if (op_hears_at_once(op)) {
        op->done_inside = true;
        op_unref(op);
        return TRL_OK;
    }
    bool open = gate_post(op->gate, on_completed, op);
    op_unref(op); /* the plugin's; the core's one is dropped by on_completed */
    return open ? TRL_OK : TRL_E_CLOSED;
}

static trl_status host_op_done(trl_op *op, trl_status st, trl_bytes result, const trl_err *err) {
    return op_done_with(op, st, result, err, NULL);
}

int32_t op_is_cancelled(trl_op *op) {
    return atomic_load(&op->cancelled) || atomic_load(&op->state) != OP_PENDING;
}

static int64_t host_op_deadline(trl_op *op) {
    return op->deadline_ns;
}

void op_host_table(trl_host *h) {
    h->op_done = host_op_done;
    h->op_emit = op_stream_emit;
    h->op_cancelled = op_is_cancelled;
    h->op_deadline_ns = host_op_deadline;
    h->op_ref = op_ref;
    h->op_unref = op_unref;
}

/* Cancelling and resuming */

static void after_small_job(void *arg) {
    trl_op *op = arg;
    struct plug_inst *in = op->in;
    gate_ran(op->gate);
    op_unref(op);
    inst_job_over(in);
}

static void small_job(trl_op *op, void (*fn)(trl_inst *, trl_op *)) {
    if (atomic_load(&op->state) == OP_PENDING) {
        fn(op->in->raw, op);
    }
    if (!gate_post(op->gate, after_small_job, op)) {
        op_unref(op);
    }
}

static void resume_job(void *arg) {
    trl_op *op = arg;
    small_job(op, kind_resume(op->in->kind, op->in->table));
}

void op_send_resume(trl_op *op) {
    struct plug_inst *in = op->in;
    void (*resume)(trl_inst *, trl_op *) = kind_resume(in->kind, in->table);
    if (!resume || op_is_cancelled(op)) {
        return;
    }
    if (!in->threads) {
        resume(in->raw, op);
        return;
    }
    op_ref(op);
    inst_job(in, resume_job, op);
}

static void cancel_job(void *arg) {
    trl_op *op = arg;
    small_job(op, kind_cancel(op->in->kind, op->in->table));
}

static void send_cancel(trl_op *op) {
    struct plug_inst *in = op->in;
    void (*cancel)(trl_inst *, trl_op *) = kind_cancel(in->kind, in->table);
    if (op->internal || !cancel || atomic_load(&op->state) != OP_PENDING) {
        return;
    }
    if (!in->threads) {
        cancel(in->raw, op);
    } else if (op->call == OP_CALL_OUT) {
        op->cancel_later = true;
    } else {
        op_ref(op);
        inst_job(in, cancel_job, op);
    }
}

void op_cancel(trl_op *op) {
    if (!op || op->over || op->in->leaked || atomic_exchange(&op->cancelled, 1)) {
        return;
    }
    send_cancel(op);
}

void op_forget(trl_op *op) {
    if (!op) {
        return;
    }
    op->told = true;
    loop_timer_stop(&op->timer);
    op_cancel(op);
}

static void on_deadline(void *arg) {
    trl_op *op = arg;
    struct plug_inst *in = op->in;
    char name[160];
    if (atomic_load(&op->state) != OP_PENDING) {
        return; /* the answer is already on its way */
    }
    if (atomic_load(&op->queued) > 0 && !op->late) { /* what came in time is heard first */
        op->late = true;
        loop_timer_start(&op->timer, 0);
        return;
    }
    op_ref(op);
    op->husk = true;
    if (++in->husks >= HUSKS_MANY && !in->warned_husks) {
        in->warned_husks = true;
        log_warn(in->log, "%s leaves %u operations unfinished after their deadline",
                 inst_name(in, name, sizeof(name)), in->husks);
    }
    op_cancel(op);
    tell(op, TRL_E_TIMEOUT, (trl_bytes){NULL, 0}, NULL);
    op_unref(op);
}

void op_give_up(trl_op *op) {
    atomic_store(&op->cancelled, 1);
    loop_timer_stop(&op->timer);
    tell(op, TRL_E_CLOSED, (trl_bytes){NULL, 0}, NULL);
}

/* Beginning */

static trl_op *begin(struct plug_inst *in, int64_t timeout_ns, const struct op_handler *h) {
    trl_op *op = op_new(in->gate);
    int64_t now = loop_now_ns(in->loop);
    atomic_init(&op->refs, 2);
    op->in = in;
    op->begun_ns = now;
    op->deadline_ns = INT64_MAX;
    if (h) {
        op->handler = *h;
        op->wants_items = h->on_item != NULL;
        op->wants_msgs = h->on_msg != NULL;
    }
    loop_timer_init(&op->timer, in->loop, on_deadline, op);
    if (timeout_ns > 0) {
        op->deadline_ns = timeout_ns > INT64_MAX - now ? INT64_MAX : now + timeout_ns;
        loop_timer_start(&op->timer, timeout_ns);
    }
    op->prev = in->last;
    *(in->last ? &in->last->next : &in->first) = op;
    in->last = op;
    return op;
}

trl_op *op_internal(struct plug_inst *in, int64_t timeout_ns, const struct op_handler *h) {
    trl_op *op = begin(in, timeout_ns, h);
    op->internal = true;
    return op;
}

/* An instance that is not ready: the caller hears CLOSED, whatever the plugin does with the op. */
static void refuse(trl_op *op) {
    struct plug_inst *in = op->in;
    char name[160];
    atomic_store(&op->state, OP_REFUSED);
    atomic_store(&op->cancelled, 1);
    op->status = TRL_E_CLOSED;
    if (!in->warned_closed) {
        in->warned_closed = true;
        log_debug(in->log, "%s is used while it is not ready", inst_name(in, name, sizeof(name)));
    }
    if (!gate_post(op->gate, on_completed, op)) { /* stopped: no gate to count with */
        atomic_fetch_add(&op->gate->pending, 1);
        loop_post(in->loop, on_completed, op);
    }
}

trl_op *op_begin(struct plug_inst *in, int64_t timeout_ns, const struct op_handler *h) {
    plug_must(!in->threads, "op_begin is for TRL_LOOP instances; others need op_call");
    trl_op *op = begin(in, timeout_ns, h);
    in->n_ops++;
    if (in->state != INST_READY) {
        refuse(op);
    }
    return op;
}

typedef void call_fn(trl_inst *in, trl_op *op, void *arg);

struct call {
    trl_op *op;
    call_fn *fn;
    void *arg;
    void (*free_arg)(void *arg);
};

static void after_call(void *arg) {
    struct call *c = arg;
    trl_op *op = c->op;
    struct plug_inst *in = op->in;
    if (c->free_arg) {
        c->free_arg(c->arg);
    }
    mem_free(c);
    op->call = OP_CALL_NONE;
    if (op->cancel_later && !in->leaked) {
        send_cancel(op);
    }
    gate_ran(op->gate);
    op_unref(op);
    inst_job_over(in);
}

static void call_job(void *arg) {
    struct call *c = arg;
    trl_op *op = c->op;
    if (atomic_load(&op->cancelled)) {
        host_op_done(op, TRL_E_CANCELLED, (trl_bytes){NULL, 0}, NULL);
    } else {
        c->fn(op->in->raw, op, c->arg);
    }
    if (!gate_post(op->gate, after_call, c)) {
        op_unref(op); /* given up: the argument belongs to the loop, which is not asked any more */
    }
}

/* On the caller's thread. NULL: it is over, and its handler has heard. */
static trl_op *call_here(struct plug_inst *in, trl_op *op, const char *what, bool at_once,
                         call_fn *fn, void *arg) {
    struct watch w;
    op->caller = pthread_self();
    atomic_store(&op->inside, at_once);
    watch_enter(in, &w);
    fn(in->raw, op, arg);
    watch_leave(in, &w, what);
    atomic_store(&op->inside, 0);
    if (!op->done_inside) {
        return op;
    }
    conclude(op);
    op_unref(op);
    inst_progress(in);
    return NULL;
}

static trl_op *call(struct plug_inst *in, int64_t timeout_ns, const struct op_handler *h,
                    bool at_once, call_fn *fn, void *arg, void (*free_arg)(void *arg)) {
    const char *what = in->doing ? in->doing : "an operation";
    in->doing = NULL;
    trl_op *op = begin(in, timeout_ns, h);
    in->n_ops++;
    if (in->state != INST_READY) {
        refuse(op);
        op_unref(op); /* the plugin never sees it */
    } else if (!in->threads) {
        op = call_here(in, op, what, at_once, fn, arg);
    } else {
        struct call *c = mem_alloc(sizeof(*c));
        *c = (struct call){op, fn, arg, free_arg};
        op->call = OP_CALL_OUT;
        op_ref(op);
        inst_job(in, call_job, c);
        return op;
    }
    if (free_arg) {
        free_arg(arg);
    }
    return op;
}

trl_op *op_call(struct plug_inst *in, int64_t timeout_ns, const struct op_handler *h, call_fn *fn,
                void *arg, void (*free_arg)(void *arg)) {
    return call(in, timeout_ns, h, false, fn, arg, free_arg);
}

trl_op *op_call_now(struct plug_inst *in, int64_t timeout_ns, const struct op_handler *h,
                    call_fn *fn, void *arg, void (*free_arg)(void *arg)) {
    return call(in, timeout_ns, h, true, fn, arg, free_arg);
}

uint32_t op_outstanding(const struct plug_inst *in) {
    return in->n_ops;
}

uint64_t op_refused_completions(const struct plug_inst *in) {
    return atomic_load(&in->gate->refused);
}
