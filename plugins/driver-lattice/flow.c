/* SPDX-License-Identifier: Apache-2.0 */
#include "flow.h"

#include "text.h"

void flow_join(struct trl_inst *d, struct flow *f, void (*destroy)(struct flow *f)) {
    f->destroy = destroy;
    f->next = d->flows;
    f->link = &d->flows;
    if (f->next) {
        f->next->link = &f->next;
    }
    d->flows = f;
}

void flow_leave(struct flow *f) {
    *f->link = f->next;
    if (f->next) {
        f->next->link = f->link;
    }
}

void flows_destroy(struct trl_inst *d) {
    while (d->flows) {
        struct flow *f = d->flows;
        flow_leave(f);
        f->destroy(f);
    }
}

void ticket_open(struct ticket *t, struct trl_inst *d, trl_op *op) {
    t->d = d;
    t->op = op;
    if (op) {
        u64map_put(&d->ops, u64map_ptr_key(op), t);
    }
}

void op_refuse(struct trl_inst *d, trl_op *op, trl_status st, trl_str text) {
    trl_err e = {.struct_size = sizeof(e), .code = st};
    trl_bytes none = {NULL, 0};
    text_line(e.msg, sizeof(e.msg), text);
    e.msg_len = (uint32_t)strlen(e.msg);
    d->host->op_done(op, st, none, &e);
}

void ticket_ok(struct ticket *t) {
    trl_op *op = t->op;
    if (op) {
        t->op = NULL;
        u64map_take(&t->d->ops, u64map_ptr_key(op));
        trl_op_ok(t->d->host, op);
    }
}

void ticket_fail(struct ticket *t, trl_status st, trl_str text) {
    trl_op *op = t->op;
    if (op) {
        t->op = NULL;
        u64map_take(&t->d->ops, u64map_ptr_key(op));
        op_refuse(t->d, op, st, text);
    }
}

void ticket_failf(struct ticket *t, trl_status st, const char *fmt, ...) {
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    ticket_fail(t, st, trl_cstr(text));
}

void tickets_cancel(struct trl_inst *d, trl_op *op) {
    if (op) {
        struct ticket *t = u64map_find(&d->ops, u64map_ptr_key(op));
        if (t) {
            ticket_fail(t, TRL_E_CANCELLED, STR_LIT("cancelled"));
        }
        return;
    }
    while (d->ops.n) {
        for (size_t i = 0; i < d->ops.cap; i++) {
            if (d->ops.slots[i].value) {
                ticket_fail(d->ops.slots[i].value, TRL_E_CANCELLED,
                            STR_LIT("the driver is stopped"));
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

void wake_start(struct wake *w, struct trl_inst *d, int64_t delay_ns, void (*fn)(void *arg),
                void *arg) {
    wake_stop(w);
    w->d = d;
    w->fn = fn;
    w->arg = arg;
    w->id = d->loop->timer_start(d->host->ctx, delay_ns > 0 ? delay_ns : 0, on_wake, w);
}

void wake_stop(struct wake *w) {
    if (w->id) {
        w->d->loop->timer_stop(w->d->host->ctx, w->id);
        w->id = 0;
    }
}
