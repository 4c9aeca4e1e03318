/* SPDX-License-Identifier: Apache-2.0 */
#include "ticket.h"

#include "xtext.h"

void desk_finish(struct desk *d) {
    u64map_finish(&d->tickets);
}

void ticket_open(struct ticket *t, struct desk *d, trl_op *op) {
    t->desk = d;
    t->op = op;
    if (op) {
        u64map_put(&d->tickets, u64map_ptr_key(op), t);
    }
}

static trl_op *close_ticket(struct ticket *t) {
    trl_op *op = t->op;
    t->op = NULL;
    if (op) {
        u64map_take(&t->desk->tickets, u64map_ptr_key(op));
    }
    return op;
}

void ticket_ok(struct ticket *t) {
    trl_op *op = close_ticket(t);
    if (op) {
        trl_op_ok(t->desk->host, op);
    }
}

void ticket_result(struct ticket *t, const char *text) {
    trl_op *op = close_ticket(t);
    trl_bytes result = {text, strlen(text)};
    if (op) {
        t->desk->host->op_done(op, TRL_OK, result, NULL);
    }
}

static void refuse(const struct desk *d, trl_op *op, trl_status st, const char *fmt, va_list ap) {
    char text[512];
    trl_err e = {.struct_size = sizeof(e), .code = st};
    trl_bytes none = {NULL, 0};
    vsnprintf(text, sizeof(text), fmt, ap);
    text_line(e.msg, sizeof(e.msg), trl_cstr(text));
    e.msg_len = (uint32_t)strlen(e.msg);
    d->host->op_done(op, st, none, &e);
}

void ticket_fail(struct ticket *t, trl_status st, const char *fmt, ...) {
    trl_op *op = close_ticket(t);
    va_list ap;
    if (op) {
        va_start(ap, fmt);
        refuse(t->desk, op, st, fmt, ap);
        va_end(ap);
    }
}

void op_refuse(const struct desk *d, trl_op *op, trl_status st, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    refuse(d, op, st, fmt, ap);
    va_end(ap);
}

void tickets_cancel(struct desk *d, trl_op *op) {
    if (op) {
        struct ticket *t = u64map_find(&d->tickets, u64map_ptr_key(op));
        if (t) {
            ticket_fail(t, TRL_E_CANCELLED, "cancelled");
        }
        return;
    }
    while (d->tickets.n) {
        for (size_t i = 0; i < d->tickets.cap; i++) {
            if (d->tickets.slots[i].value) {
                ticket_fail(d->tickets.slots[i].value, TRL_E_CANCELLED, "the driver is stopped");
                break; /* taking one out may move others */
            }
        }
    }
}

static void on_wake(void *arg) {
    struct wake *w = arg;
    w->id = 0;
    w->fn(w->arg);
}

void wake_start(struct wake *w, struct desk *d, int64_t delay_ns, void (*fn)(void *arg),
                void *arg) {
    wake_stop(w);
    w->desk = d;
    w->fn = fn;
    w->arg = arg;
    w->id = d->loop->timer_start(d->host->ctx, delay_ns > 0 ? delay_ns : 0, on_wake, w);
}

void wake_stop(struct wake *w) {
    if (w->id) {
        w->desk->loop->timer_stop(w->desk->host->ctx, w->id);
        w->id = 0;
    }
}
