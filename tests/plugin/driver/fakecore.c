/* SPDX-License-Identifier: Apache-2.0 */
#include "fakecore.h"

#include "fakelog.h"

#include <assert.h>
#include <stdlib.h>

struct trl_op {
    struct core *core;
    struct core_op pub;
    trl_op *next;
};

struct timer {
    struct timer *next;
    int64_t due_ns;
    uint64_t id;
    void (*fn)(void *arg);
    void *arg;
};

/* A subscription of anyone, or a request that waits for replies. */
struct sub {
    struct sub *next;
    uint64_t id;
    char *subject;
    void (*on_msg)(void *arg, const trl_msg *m);
    void (*on_reply)(void *arg, trl_status st, const trl_msg *m);
    core_msg_fn on_text;
    void *arg;
    int many, dead, is_driver;
    trl_status end; /* of a request that nobody answers */
    uint64_t timer;
    struct core *core;
};

struct core {
    int64_t now_ns;
    uint64_t last_id;
    struct timer *timers;
    struct sub *subs;
    trl_op *ops;
    struct lines log;
    trl_inst *inst;
    const trl_component *component;
    trl_host host;
    void (*on_link)(void *arg, int32_t up);
    void *link_arg;
    uint64_t link_id;
    int stopped;
};

/* Text log */

struct lines *core_log(void *ctx) {
    return &((struct core *)ctx)->log;
}

/* Timers */

static uint64_t timer_add(struct core *c, int64_t delay_ns, void (*fn)(void *arg), void *arg) {
    struct timer *t = calloc(1, sizeof(*t)), **at = &c->timers;
    assert(t);
    *t = (struct timer){.due_ns = c->now_ns + (delay_ns > 0 ? delay_ns : 0), .fn = fn, .arg = arg};
    t->id = ++c->last_id;
    while (*at && (*at)->due_ns <= t->due_ns) {
        at = &(*at)->next;
    }
    t->next = *at;
    *at = t;
    return t->id;
}

static void timer_del(struct core *c, uint64_t id) {
    for (struct timer **at = &c->timers; *at; at = &(*at)->next) {
        if ((*at)->id == id) {
            struct timer *t = *at;
            *at = t->next;
            free(t);
            return;
        }
    }
}

void core_run(struct core *c, int64_t ms) {
    int64_t until = c->now_ns + ms * 1000000;
    while (c->timers && c->timers->due_ns <= until) {
        struct timer *t = c->timers;
        c->timers = t->next;
        c->now_ns = t->due_ns;
        t->fn(t->arg);
        free(t);
    }
    c->now_ns = until;
}

void core_after(struct core *c, int64_t ms, void (*fn)(void *arg), void *arg) {
    timer_add(c, ms * 1000000, fn, arg);
}

int64_t core_now_ms(const struct core *c) {
    return c->now_ns / 1000000;
}

/* Bus: a message is handed over in a later turn, in order of publishing */

struct parcel {
    struct core *core;
    char *subject, *reply, *body;
    size_t len;
};

static int subject_match(const char *pattern, const char *subject) {
    while (*pattern && *subject) {
        size_t p = strcspn(pattern, "."), s = strcspn(subject, ".");
        if (p == 1 && *pattern == '>') {
            return 1;
        }
        if (!(p == 1 && *pattern == '*') && (p != s || memcmp(pattern, subject, p) != 0)) {
            return 0;
        }
        pattern += p + (pattern[p] == '.');
        subject += s + (subject[s] == '.');
    }
    return !*pattern && !*subject;
}

static void sub_free(struct core *c, struct sub *gone) {
    for (struct sub **at = &c->subs; *at; at = &(*at)->next) {
        if (*at == gone) {
            *at = gone->next;
            timer_del(c, gone->timer);
            free(gone->subject);
            free(gone);
            return;
        }
    }
}

static void sweep(struct core *c) {
    for (struct sub *s = c->subs, *next; s; s = next) {
        next = s->next;
        if (s->dead) {
            sub_free(c, s);
        }
    }
}

static void hand_over(struct sub *s, const struct parcel *p) {
    trl_msg m = {.struct_size = sizeof(m)};
    m.subject = trl_cstr(p->subject);
    m.reply = trl_cstr(p->reply);
    m.payload.ptr = p->body;
    m.payload.len = p->len;
    if (s->on_text) {
        s->on_text(s->arg, p->subject, p->reply, p->body, p->len);
    } else if (s->on_msg) {
        s->on_msg(s->arg, &m);
    } else {
        s->dead = !s->many;
        s->on_reply(s->arg, TRL_OK, &m);
    }
}

static void deliver(void *arg) {
    struct parcel *p = arg;
    struct core *c = p->core;
    for (struct sub *s = c->subs; s; s = s->next) {
        if (!s->dead && subject_match(s->subject, p->subject)) {
            hand_over(s, p);
        }
    }
    sweep(c);
    free(p->subject);
    free(p->reply);
    free(p->body);
    free(p);
}

static void post_msg(struct core *c, const char *subject, const char *reply, const void *body,
                     size_t len) {
    struct parcel *p = calloc(1, sizeof(*p));
    assert(p);
    p->core = c;
    p->subject = strdup(subject);
    p->reply = strdup(reply);
    p->body = calloc(1, len + 1);
    assert(p->body);
    if (len) {
        memcpy(p->body, body, len);
    }
    p->len = len;
    timer_add(c, 0, deliver, p);
}

static struct sub *sub_add(struct core *c, const char *subject, void *arg) {
    struct sub *s = calloc(1, sizeof(*s)), **at = &c->subs;
    assert(s);
    s->core = c;
    s->id = ++c->last_id;
    s->subject = strdup(subject);
    s->arg = arg;
    while (*at) {
        at = &(*at)->next;
    }
    *at = s;
    return s;
}

void core_subscribe(struct core *c, const char *subject, core_msg_fn fn, void *arg) {
    sub_add(c, subject, arg)->on_text = fn;
}

void core_publish(struct core *c, const char *subject, const char *body) {
    post_msg(c, subject, "", body, strlen(body));
}

uint32_t core_subscriptions(const struct core *c) {
    uint32_t n = 0;
    for (const struct sub *s = c->subs; s; s = s->next) {
        n += s->is_driver && s->on_msg ? 1 : 0;
    }
    return n;
}

static void t_publish(void *ctx, const trl_msg *m) {
    char subject[512];
    snprintf(subject, sizeof(subject), "%.*s", (int)m->subject.len, m->subject.ptr);
    post_msg(ctx, subject, "", m->payload.ptr, m->payload.len);
}

static void on_request_end(void *arg) {
    struct sub *s = arg;
    struct core *c = s->core;
    s->timer = 0;
    s->dead = 1;
    s->on_reply(s->arg, s->end, NULL);
    sweep(c);
}

static uint64_t request(struct core *c, const trl_msg *m, int64_t timeout_ns,
                        void (*on_reply)(void *arg, trl_status st, const trl_msg *m), void *arg,
                        int many) {
    char inbox[64], subject[512];
    int heard = 0;
    assert(!c->stopped);
    snprintf(subject, sizeof(subject), "%.*s", (int)m->subject.len, m->subject.ptr);
    for (const struct sub *s = c->subs; s; s = s->next) {
        heard |= !s->dead && subject_match(s->subject, subject);
    }
    snprintf(inbox, sizeof(inbox), "_INBOX.%llu", (unsigned long long)++c->last_id);
    struct sub *s = sub_add(c, inbox, arg);
    s->on_reply = on_reply;
    s->many = many;
    s->is_driver = 1;
    s->end = heard ? TRL_E_TIMEOUT : TRL_E_NORESPONDER;
    s->timer = timer_add(c, heard ? timeout_ns : 0, on_request_end, s);
    if (heard) {
        post_msg(c, subject, inbox, m->payload.ptr, m->payload.len);
    }
    return s->id;
}

static uint64_t t_request(void *ctx, const trl_msg *m, int64_t timeout_ns,
                          void (*on_reply)(void *arg, trl_status st, const trl_msg *m), void *arg) {
    return request(ctx, m, timeout_ns, on_reply, arg, 0);
}

static uint64_t t_request_many(void *ctx, const trl_msg *m, int64_t timeout_ns,
                               void (*on_reply)(void *arg, trl_status st, const trl_msg *m),
                               void *arg) {
    return request(ctx, m, timeout_ns, on_reply, arg, 1);
}

static uint64_t t_subscribe(void *ctx, trl_str subject, trl_str queue,
                            void (*on_msg)(void *arg, const trl_msg *m), void *arg) {
    char text[512];
    (void)queue;
    snprintf(text, sizeof(text), "%.*s", (int)subject.len, subject.ptr);
    struct sub *s = sub_add(ctx, text, arg);
    s->on_msg = on_msg;
    s->is_driver = 1;
    return s->id;
}

static void t_cancel(void *ctx, uint64_t id) {
    struct core *c = ctx;
    if (id == c->link_id) {
        c->on_link = NULL;
    }
    for (struct sub *s = c->subs; s; s = s->next) {
        if (s->id == id) {
            s->dead = 1;
            timer_del(c, s->timer);
            s->timer = 0;
        }
    }
}

static uint64_t t_watch_link(void *ctx, void (*on_link)(void *arg, int32_t up), void *arg) {
    struct core *c = ctx;
    c->on_link = on_link;
    c->link_arg = arg;
    c->link_id = ++c->last_id;
    return c->link_id;
}

void core_link(struct core *c, int up) {
    if (c->on_link) {
        c->on_link(c->link_arg, up);
    }
}

static const trl_host_transport_v1 transport = {.struct_size = sizeof(transport),
                                                .publish = t_publish,
                                                .request = t_request,
                                                .request_many = t_request_many,
                                                .subscribe = t_subscribe,
                                                .cancel = t_cancel,
                                                .watch_link = t_watch_link};

/* Loop */

static uint64_t l_timer_start(void *ctx, int64_t delay_ns, void (*fn)(void *arg), void *arg) {
    struct core *c = ctx;
    assert(!c->stopped);
    return timer_add(c, delay_ns, fn, arg);
}

static void l_timer_stop(void *ctx, uint64_t id) {
    timer_del(ctx, id);
}

static uint64_t l_random(void *ctx) {
    (void)ctx;
    return 12345;
}

static int64_t l_wall_ms(void *ctx) {
    (void)ctx;
    return 1700000000000;
}

static const trl_host_loop_v1 loop = {.struct_size = sizeof(loop),
                                      .timer_start = l_timer_start,
                                      .timer_stop = l_timer_stop,
                                      .random = l_random,
                                      .wall_ms = l_wall_ms};

/* Host table */

static void h_log(void *ctx, int32_t level, trl_str msg, trl_str fields) {
    (void)fields;
    lines_say(core_log(ctx), "log %d %.*s", level, (int)msg.len, msg.ptr);
}

static int32_t h_log_level(void *ctx) {
    (void)ctx;
    return TRL_LOG_DEBUG;
}

static int64_t h_now_ns(void *ctx) {
    return ((struct core *)ctx)->now_ns;
}

static const void *h_get_interface(void *ctx, const char *id) {
    (void)ctx;
    return strcmp(id, TRL_HOST_TRANSPORT_V1) == 0 ? (const void *)&transport
           : strcmp(id, TRL_HOST_OBSERVE_V1) == 0 ? (const void *)&log_observe
           : strcmp(id, TRL_HOST_LOOP_V1) == 0    ? (const void *)&loop
                                                  : NULL;
}

static trl_status h_op_done(trl_op *op, trl_status st, trl_bytes result, const trl_err *err) {
    (void)result;
    assert(!op->pub.done); /* exactly once */
    op->pub.done = 1;
    op->pub.st = st;
    if (err) {
        assert(err->msg_len == strlen(err->msg) && !strchr(err->msg, '\n'));
        snprintf(op->pub.msg, sizeof(op->pub.msg), "%s", err->msg);
    }
    return TRL_OK;
}

static trl_op *op_new(struct core *c) {
    trl_op *op = calloc(1, sizeof(*op));
    assert(op);
    op->core = c;
    op->next = c->ops;
    c->ops = op;
    return op;
}

struct core *core_create(const char *config) {
    struct core *c = calloc(1, sizeof(*c));
    trl_err err = {.struct_size = sizeof(err)};
    assert(c);
    c->now_ns = 1000000000000;
    c->log.tail = &c->log.first;
    seen_init(&c->log.seen);
    c->host = (trl_host){.struct_size = sizeof(trl_host),
                         .abi_major = TRL_ABI_MAJOR,
                         .abi_minor = TRL_ABI_MINOR,
                         .ctx = c,
                         .log = h_log,
                         .log_level = h_log_level,
                         .now_ns = h_now_ns,
                         .get_interface = h_get_interface,
                         .op_done = h_op_done};
    c->component = trl_plugin_entry(TRL_ABI_MAJOR)->components[0];
    trl_status st = c->component->create(&c->host, trl_cstr(config), &c->inst, &err);
    if (st != TRL_OK) {
        fprintf(stderr, "create: %s\n", err.msg);
        abort();
    }
    trl_op *op = op_new(c);
    c->component->start(c->inst, op);
    assert(op->pub.done && op->pub.st == TRL_OK);
    return c;
}

void core_stop(struct core *c) {
    trl_op *op = op_new(c);
    c->component->stop(c->inst, op);
    assert(op->pub.done);
    c->stopped = 1;
    for (const trl_op *o = c->ops; o; o = o->next) {
        assert(o->pub.done); /* none is left behind */
    }
    for (const struct sub *s = c->subs; s; s = s->next) {
        assert(s->dead || !s->is_driver);
    }
}

void core_destroy(struct core *c) {
    if (!c->stopped) {
        core_stop(c);
    }
    c->component->destroy(c->inst);
    core_run(c, 3600000); /* nothing of the driver may run any more; request() and timers assert */
    while (c->subs) {
        sub_free(c, c->subs);
    }
    while (c->ops) {
        trl_op *op = c->ops;
        c->ops = op->next;
        free(op);
    }
    lines_clear(&c->log);
    seen_finish(&c->log.seen);
    free(c);
}

trl_inst *core_inst(struct core *c) {
    return c->inst;
}

const trl_driver_v1 *core_table(struct core *c) {
    return c->component->get_interface(c->inst, TRL_KIND_DRIVER);
}

struct core_op *core_apply(struct core *c, const trl_action *a) {
    trl_op *op = op_new(c);
    core_table(c)->apply(c->inst, op, a);
    return &op->pub;
}

struct core_op *core_resync(struct core *c, const char *lattice) {
    trl_op *op = op_new(c);
    core_table(c)->resync(c->inst, op, trl_cstr(lattice));
    return &op->pub;
}

struct core_op *core_read(struct core *c, const char *lattice, const char *const *names,
                          uint32_t n) {
    trl_op *op = op_new(c);
    trl_str list[256];
    assert(n <= 256);
    for (uint32_t i = 0; i < n; i++) {
        list[i] = trl_cstr(names[i]);
    }
    core_table(c)->read_configs(c->inst, op, trl_cstr(lattice), list, n);
    return &op->pub;
}

struct core_op *core_probe(struct core *c, const char *lattice, const char *host) {
    trl_op *op = op_new(c);
    core_table(c)->probe(c->inst, op, trl_cstr(lattice), trl_cstr(host));
    return &op->pub;
}

void core_cancel(struct core *c, struct core_op *op) {
    for (trl_op *o = c->ops; o; o = o->next) {
        if (&o->pub == op) {
            core_table(c)->cancel(c->inst, o);
        }
    }
}
