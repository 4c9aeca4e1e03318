/* SPDX-License-Identifier: Apache-2.0 */
#include "plug/bus.h"

#include <string.h>

#include "plug/bus_priv.h"
#include "plug/inst_priv.h"
#include "plug/watch.h"

static void release(struct bus *b) {
    if (--b->refs == 0) {
        VEC_FREE(&b->watchers);
        mem_free(b);
    }
}

static trl_msg to_msg(const struct bus_msg *m) {
    return (trl_msg){.struct_size = sizeof(trl_msg),
                     .subject = m->subject,
                     .reply = m->reply,
                     .headers = m->headers,
                     .n_headers = m->n_headers,
                     .payload = {m->body.ptr, m->body.len}};
}

static struct bus_msg from_msg(const trl_msg *m) {
    return (struct bus_msg){m->subject, m->reply, m->headers, m->n_headers,
                            str_n(m->payload.ptr, m->payload.len)};
}

/* Calls on the transport. A TRL_LOOP one is called at once with what the caller has; for the thread
 * of a TRL_SERIAL one everything is copied. */

enum bus_fn {
    BUS_PUBLISH,
    BUS_REQUEST,
    BUS_REQUEST_MANY,
    BUS_SUBSCRIBE,
    BUS_WATCH,
    BUS_FORGET,
    BUS_INFO
};
static const char *const names[] = {"publish",    "request", "request_many", "subscribe",
                                    "watch_link", "forget",  "info"};

struct bus_args {
    const trl_transport_v1 *t;
    enum bus_fn fn;
    trl_msg msg; /* subscribe: subject and, as reply, the queue */
};

static void run(trl_inst *raw, trl_op *op, void *arg) {
    const struct bus_args *a = arg;
    switch (a->fn) {
    case BUS_PUBLISH:
        a->t->publish(raw, op, &a->msg);
        break;
    case BUS_REQUEST:
        a->t->request(raw, op, &a->msg);
        break;
    case BUS_REQUEST_MANY:
        a->t->request_many(raw, op, &a->msg);
        break;
    case BUS_SUBSCRIBE:
        a->t->subscribe(raw, op, a->msg.subject, a->msg.reply);
        break;
    case BUS_WATCH:
        a->t->watch_link(raw, op);
        break;
    case BUS_FORGET:
        a->t->forget(raw, op, a->msg.subject);
        break;
    case BUS_INFO:
        a->t->info(raw, op);
        break;
    }
}

static str dup_into(char **at, str s) {
    char *p = *at;
    if (s.len) {
        memcpy(p, s.ptr, s.len);
    }
    *at += s.len;
    return str_n(p, s.len);
}

static struct bus_args *dup_args(const struct bus_args *a) {
    const trl_msg *m = &a->msg;
    size_t n = m->subject.len + m->reply.len + m->payload.len;
    for (uint32_t i = 0; i < m->n_headers; i++) {
        n += m->headers[i].key.len + m->headers[i].value.len;
    }
    struct bus_args *d = mem_alloc(sizeof(*d) + m->n_headers * sizeof(trl_label) + n);
    trl_label *h = (trl_label *)(void *)(d + 1);
    char *at = (char *)(h + m->n_headers);
    *d = *a;
    d->msg.subject = dup_into(&at, m->subject);
    d->msg.reply = dup_into(&at, m->reply);
    str body = dup_into(&at, str_n(m->payload.ptr, m->payload.len));
    d->msg.payload = (trl_bytes){body.ptr, body.len};
    for (uint32_t i = 0; i < m->n_headers; i++) {
        h[i].key = dup_into(&at, m->headers[i].key);
        h[i].value = dup_into(&at, m->headers[i].value);
    }
    d->msg.headers = h;
    return d;
}

static trl_op *call(struct bus *b, enum bus_fn fn, const trl_msg *m, int64_t timeout_ns,
                    const struct op_handler *h) {
    struct bus_args a = {b->t, fn, {0}};
    if (m) {
        a.msg = *m;
    }
    b->in->doing = names[fn];
    if (b->direct) {
        return op_call(b->in, timeout_ns, h, run, &a, NULL);
    }
    return op_call(b->in, timeout_ns, h, run, dup_args(&a), mem_free);
}

/* Link */

static void tell(struct bus *b) {
    uint32_t i = 0;
    b->refs++;
    while (!b->dead && i < b->watchers.n) {
        struct bus_watcher *w = b->watchers.at[i++];
        if (!w->told) {
            w->told = true;
            w->on_link(w->arg, b->up);
            i = 0; /* the list may have changed */
        }
    }
    release(b);
}

static void on_link_item(void *arg, trl_bytes item) {
    struct bus *b = arg;
    if (item.len != 1) {
        return;
    }
    bool up = *(const unsigned char *)item.ptr == TRL_LINK_UP;
    if (b->up_known && b->up == up) {
        return;
    }
    b->up_known = true;
    b->up = up;
    for (uint32_t i = 0; i < b->watchers.n; i++) {
        b->watchers.at[i]->told = false;
    }
    tell(b);
}

static void on_link_end(void *arg, trl_status st, trl_bytes result, const trl_err *err) {
    struct bus *b = arg;
    (void)result;
    (void)err;
    b->link_op = NULL;
    if (st != TRL_E_CANCELLED && st != TRL_E_CLOSED) {
        log_warn(plug_log(plug_inst_plug(b->in)), "transport '%s' stopped reporting its link: %s",
                 plug_inst_component(b->in)->name, err_name(st));
    }
    trl_bytes down = {"\0", 1};
    on_link_item(b, down);
}

static void on_tell(void *arg) {
    struct bus *b = arg;
    b->telling = false;
    if (!b->dead && b->up_known) {
        tell(b);
    }
    release(b);
}

void bus_watch_link(struct bus *b, void (*on_link)(void *arg, bool up), void *arg) {
    struct bus_watcher *w = mem_zalloc(sizeof(*w));
    w->on_link = on_link;
    w->arg = arg;
    *VEC_ADD(&b->watchers) = w;
    if (b->up_known && !b->telling) {
        b->telling = true;
        b->refs++;
        loop_post(plug_loop(plug_inst_plug(b->in)), on_tell, b);
    }
}

void bus_unwatch_link(struct bus *b, void (*on_link)(void *arg, bool up), void *arg) {
    for (uint32_t i = 0; i < b->watchers.n; i++) {
        struct bus_watcher *w = b->watchers.at[i];
        if (w->on_link == on_link && w->arg == arg) {
            mem_free(w);
            b->watchers.n--;
            memmove(&b->watchers.at[i], &b->watchers.at[i + 1],
                    (b->watchers.n - i) * sizeof(struct bus_watcher *));
            return;
        }
    }
}

bool bus_up(const struct bus *b) {
    return b->up;
}

/* Life */

struct bus *bus_create(struct plug_inst *in) {
    struct bus *b = mem_zalloc(sizeof(*b));
    b->in = in;
    b->raw = plug_inst_raw(in);
    b->t = plug_inst_table(in);
    b->direct = plug_inst_component(in)->thread_model == TRL_LOOP;
    b->refs = 1;
    struct op_handler h = {.on_done = on_link_end, .on_item = on_link_item, .arg = b};
    b->link_op = call(b, BUS_WATCH, NULL, 0, &h);
    return b;
}

static void end_small(struct bus_small *s) {
    *(s->prev ? &s->prev->next : &s->bus->smalls) = s->next;
    if (s->next) {
        s->next->prev = s->prev;
    }
    mem_free(s);
}

void bus_destroy(struct bus *b) {
    if (!b) {
        return;
    }
    b->dead = true;
    bus_host_destroy(b->host);
    b->host = NULL;
    while (b->calls) {
        bus_call_cancel(b->calls);
    }
    while (b->subs) {
        bus_unsubscribe(b->subs);
    }
    while (b->smalls) {
        op_forget(b->smalls->op);
        end_small(b->smalls);
    }
    op_forget(b->link_op);
    b->link_op = NULL;
    for (uint32_t i = 0; i < b->watchers.n; i++) {
        mem_free(b->watchers.at[i]);
    }
    b->watchers.n = 0;
    release(b);
}

/* Publish and info */

static void on_small_done(void *arg, trl_status st, trl_bytes result, const trl_err *err) {
    struct bus_small s = *(struct bus_small *)arg;
    (void)err;
    end_small(arg);
    if (s.done) {
        s.done(s.arg, st);
    } else if (s.info) {
        s.info(s.arg, st, st == TRL_OK ? str_n(result.ptr, result.len) : STR_NONE);
    }
}

static void small(struct bus *b, enum bus_fn fn, const trl_msg *m, const struct bus_small *want) {
    struct bus_small *s = mem_alloc(sizeof(*s));
    *s = *want;
    s->bus = b;
    s->prev = NULL;
    s->next = b->smalls;
    if (s->next) {
        s->next->prev = s;
    }
    b->smalls = s;
    struct op_handler h = {.on_done = on_small_done, .arg = s};
    s->op = call(b, fn, m, 0, &h);
}

void bus_publish(struct bus *b, const struct bus_msg *m) {
    trl_msg msg = to_msg(m);
    if (b->direct && plug_inst_ready(b->in)) {
        struct watch w;
        watch_enter(b->in, &w);
        b->t->publish(b->raw, NULL, &msg);
        watch_leave(b->in, &w, "publish");
        return;
    }
    struct op_handler nobody = {0};
    call(b, BUS_PUBLISH, &msg, 0, &nobody);
}

void bus_publish_cb(struct bus *b, const struct bus_msg *m, void (*done)(void *arg, trl_status st),
                    void *arg) {
    trl_msg msg = to_msg(m);
    small(b, BUS_PUBLISH, &msg, &(struct bus_small){.done = done, .arg = arg});
}

void bus_publish_forget(struct bus *b, const void *arg) {
    for (struct bus_small *s = b->smalls; s; s = s->next) {
        if (s->arg == arg) {
            s->done = NULL;
        }
    }
}

static void on_no_info(void *arg) {
    struct bus_small s = *(struct bus_small *)arg;
    mem_free(arg);
    if (!s.bus->dead) {
        s.info(s.arg, TRL_E_UNSUPP, STR_NONE);
    }
    release(s.bus);
}

void bus_info(struct bus *b, void (*done)(void *arg, trl_status st, str json), void *arg) {
    struct bus_small want = {.bus = b, .info = done, .arg = arg};
    if (b->t->info) {
        small(b, BUS_INFO, NULL, &want);
        return;
    }
    b->refs++;
    loop_post(plug_loop(plug_inst_plug(b->in)), on_no_info, mem_dup(&want, sizeof(want)));
}

void bus_forget(struct bus *b, str subject) {
    if (b->t->forget) {
        struct op_handler nobody = {0};
        trl_msg m = {.struct_size = sizeof(m), .subject = subject};
        call(b, BUS_FORGET, &m, 0, &nobody);
    }
}

/* Requests */

static void end_call(struct bus_call *c) {
    *(c->prev ? &c->prev->next : &c->bus->calls) = c->next;
    if (c->next) {
        c->next->prev = c->prev;
    }
    mem_free(c);
}

static void on_call_msg(void *arg, const trl_msg *msg) {
    struct bus_call *c = arg;
    struct bus_msg m = from_msg(msg);
    if (!c->many && c->answered) {
        return;
    }
    c->answered = true;
    c->on_reply(c->arg, TRL_OK,
                &m); /* of a single request the caller forgets c now; we do at the end */
}

static void on_call_done(void *arg, trl_status st, trl_bytes result, const trl_err *err) {
    struct bus_call c = *(struct bus_call *)arg;
    (void)result;
    (void)err;
    end_call(arg);
    if (c.many ||
        !c.answered) { /* an end without the answer it promised is the transport's fault */
        c.on_reply(c.arg, st == TRL_OK ? TRL_E_INTERNAL : st, NULL);
    }
}

static struct bus_call *
start_call(struct bus *b, enum bus_fn fn, const struct bus_msg *m, int64_t timeout_ns,
           void (*on_reply)(void *arg, trl_status st, const struct bus_msg *m), void *arg) {
    struct bus_call *c = mem_alloc(sizeof(*c));
    *c = (struct bus_call){b, NULL, b->calls, NULL, on_reply, arg, fn == BUS_REQUEST_MANY, false};
    if (c->next) {
        c->next->prev = c;
    }
    b->calls = c;
    struct op_handler h = {.on_done = on_call_done, .on_msg = on_call_msg, .arg = c};
    trl_msg msg = to_msg(m);
    c->op = call(b, fn, &msg, timeout_ns, &h);
    return c;
}

struct bus_call *bus_request(struct bus *b, const struct bus_msg *m, int64_t timeout_ns,
                             void (*on_reply)(void *arg, trl_status st, const struct bus_msg *m),
                             void *arg) {
    return start_call(b, BUS_REQUEST, m, timeout_ns, on_reply, arg);
}

struct bus_call *
bus_request_many(struct bus *b, const struct bus_msg *m, int64_t timeout_ns,
                 void (*on_reply)(void *arg, trl_status st, const struct bus_msg *m), void *arg) {
    return start_call(b, BUS_REQUEST_MANY, m, timeout_ns, on_reply, arg);
}

void bus_call_cancel(struct bus_call *c) {
    if (c) {
        op_forget(c->op);
        end_call(c);
    }
}

/* Subscriptions */

static void on_sub_msg(void *arg, const trl_msg *msg) {
    struct bus_sub *s = arg;
    struct bus_msg m = from_msg(msg);
    s->on_msg(s->arg, &m);
}

static void on_sub_done(void *arg, trl_status st, trl_bytes result, const trl_err *err) {
    struct bus_sub *s = arg;
    (void)result;
    s->op = NULL; /* s stays until bus_unsubscribe */
    if (st != TRL_E_CANCELLED && st != TRL_E_CLOSED) {
        log_error(plug_log(plug_inst_plug(s->bus->in)), "the subscription of '%s' ended: %.*s",
                  s->subject, err ? (int)err->msg_len : 0, err ? err->msg : "");
    }
}

struct bus_sub *bus_subscribe(struct bus *b, str subject, str queue,
                              void (*on_msg)(void *arg, const struct bus_msg *m), void *arg) {
    struct bus_sub *s = mem_alloc(sizeof(*s));
    *s = (struct bus_sub){b, NULL, b->subs, NULL, on_msg, arg, str_dup(subject)};
    if (s->next) {
        s->next->prev = s;
    }
    b->subs = s;
    struct op_handler h = {.on_done = on_sub_done, .on_msg = on_sub_msg, .arg = s};
    trl_msg m = {.struct_size = sizeof(m), .subject = subject, .reply = queue};
    s->op = call(b, BUS_SUBSCRIBE, &m, 0, &h);
    return s;
}

void bus_unsubscribe(struct bus_sub *s) {
    if (!s) {
        return;
    }
    op_forget(s->op);
    *(s->prev ? &s->prev->next : &s->bus->subs) = s->next;
    if (s->next) {
        s->next->prev = s->prev;
    }
    mem_free(s->subject);
    mem_free(s);
}
