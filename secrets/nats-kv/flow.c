/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../../plugins/common/xmem.h"
#include "kv.h"

char *text_of(const char *fmt, ...) {
    char *out = NULL;
    va_list ap;
    int n;
    va_start(ap, fmt);
    n = vasprintf(&out, fmt, ap);
    va_end(ap);
    return n < 0 ? x_checked(NULL) : out;
}

void *flow_new(trl_inst *in, size_t size, trl_op *op) {
    struct flow *f = x_zalloc(size);
    f->in = in;
    f->op = op;
    f->next = in->flows;
    f->link = &in->flows;
    if (f->next) {
        f->next->link = &f->next;
    }
    in->flows = f;
    return f;
}

void flow_free(struct flow *f) {
    trl_inst *in = f->in;
    if (f->req) {
        in->bus->cancel(in->host->ctx, f->req);
    }
    if (f->timer) {
        in->loop->timer_stop(in->host->ctx, f->timer);
    }
    *f->link = f->next;
    if (f->next) {
        f->next->link = f->link;
    }
    if (f->finish) {
        f->finish(f);
    }
    free(f);
}

static void on_reply(void *arg, trl_status st, const trl_msg *m) {
    struct flow *f = arg;
    f->req = 0;
    f->on_reply(f, st, m);
}

void flow_request(struct flow *f, const char *subject, const trl_label *headers, uint32_t n_headers,
                  trl_bytes payload, void (*fn)(struct flow *f, trl_status st, const trl_msg *m)) {
    trl_msg m;
    memset(&m, 0, sizeof(m));
    m.struct_size = sizeof(m);
    m.subject = trl_cstr(subject);
    m.headers = headers;
    m.n_headers = n_headers;
    m.payload = payload;
    f->on_reply = fn;
    f->req = f->in->bus->request(f->in->host->ctx, &m, f->in->timeout_ns, on_reply, f);
}

static void on_timer(void *arg) {
    struct flow *f = arg;
    f->timer = 0;
    f->on_timer(f);
}

void flow_wait(struct flow *f, int64_t ms, void (*fn)(struct flow *f)) {
    if (f->timer) {
        f->in->loop->timer_stop(f->in->host->ctx, f->timer);
    }
    f->on_timer = fn;
    f->timer = f->in->loop->timer_start(f->in->host->ctx, ms * 1000000, on_timer, f);
}

void flow_fail(struct flow *f, trl_status st, const char *fmt, ...) {
    trl_err e = {.struct_size = sizeof(e)};
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    trl_errf(&e, st, "%s", text);
    if (f->op) {
        f->in->host->op_done(f->op, st, (trl_bytes){NULL, 0}, &e);
    }
    flow_free(f);
}

void flow_done(struct flow *f, const char *text) {
    if (f->op) {
        f->in->host->op_done(f->op, TRL_OK, (trl_bytes){text, strlen(text)}, NULL);
    }
    flow_free(f);
}
