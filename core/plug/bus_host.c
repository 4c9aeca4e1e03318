/* SPDX-License-Identifier: Apache-2.0 */
#include "plug/bus_priv.h"
#include "plug/inst_priv.h"
#include "plug/negotiate.h"
#include "plug/watch.h"

/* The bus as plugins see it. Every request, subscription and watcher belongs to the instance that
 * made it and ends with it. An id is a slot and how often it was used. */

enum use { USE_NONE, USE_CALL, USE_SUB, USE_LINK };

struct slot {
    struct bus_host *host;
    struct plug_inst *owner;
    uint32_t index, uses;
    enum use use;
    bool many;
    struct bus_call *call;
    struct bus_sub *sub;
    void (*on_reply)(void *arg, trl_status st, const trl_msg *m);
    void (*on_msg)(void *arg, const trl_msg *m);
    void (*on_link)(void *arg, int32_t up);
    void *arg;
};

struct bus_host {
    struct bus *bus;
    VEC(struct slot *) slots;
    VEC(uint32_t) free;
    VEC(struct plug_inst *) owners;
};

static void free_slot(struct slot *s) {
    s->use = USE_NONE;
    s->uses++;
    *VEC_ADD(&s->host->free) = s->index;
}

static void on_link(void *arg, bool up) {
    struct slot *s = arg;
    s->on_link(s->arg, up);
}

static void end_slot(struct slot *s) {
    if (s->use == USE_CALL) {
        bus_call_cancel(s->call);
    } else if (s->use == USE_SUB) {
        bus_unsubscribe(s->sub);
    } else if (s->use == USE_LINK) {
        bus_unwatch_link(s->host->bus, on_link, s);
    } else {
        return;
    }
    free_slot(s);
}

static void on_owner_stopped(void *arg, struct plug_inst *in) {
    struct bus_host *h = arg;
    for (uint32_t i = 0; i < h->slots.n; i++) {
        if (h->slots.at[i]->use != USE_NONE && h->slots.at[i]->owner == in) {
            end_slot(h->slots.at[i]);
        }
    }
    for (uint32_t i = 0; i < h->owners.n; i++) {
        if (h->owners.at[i] == in) {
            h->owners.at[i] = h->owners.at[--h->owners.n];
            return;
        }
    }
}

void bus_host_destroy(struct bus_host *h) {
    if (!h) {
        return;
    }
    for (uint32_t i = 0; i < h->slots.n; i++) {
        end_slot(h->slots.at[i]);
        mem_free(h->slots.at[i]);
    }
    for (uint32_t i = 0; i < h->owners.n; i++) {
        inst_forget_hook(h->owners.at[i], on_owner_stopped, h);
    }
    VEC_FREE(&h->slots);
    VEC_FREE(&h->free);
    VEC_FREE(&h->owners);
    mem_free(h);
}

static struct bus *bus_of(void *ctx) {
    return plug_iface_ctx(ctx, TRL_HOST_TRANSPORT_V1);
}

static void know_owner(struct bus_host *h, struct plug_inst *in) {
    for (uint32_t i = 0; i < h->owners.n; i++) {
        if (h->owners.at[i] == in) {
            return;
        }
    }
    *VEC_ADD(&h->owners) = in;
    inst_on_stopped(in, on_owner_stopped, h);
}

/* NULL once the owner is stopped. */
static struct slot *new_slot(void *ctx, enum use use, void *arg) {
    struct bus *b = bus_of(ctx);
    struct plug_inst *in = plug_inst_of(ctx);
    if (in->state == INST_STOPPED) {
        return NULL;
    }
    if (!b->host) {
        b->host = mem_zalloc(sizeof(*b->host));
        b->host->bus = b;
    }
    struct bus_host *h = b->host;
    know_owner(h, in);
    struct slot *s;
    if (h->free.n) {
        s = h->slots.at[h->free.at[--h->free.n]];
    } else {
        s = mem_zalloc(sizeof(*s));
        s->host = h;
        s->index = h->slots.n;
        *VEC_ADD(&h->slots) = s;
    }
    s->owner = in;
    s->use = use;
    s->arg = arg;
    return s;
}

static uint64_t id_of(const struct slot *s) {
    return ((uint64_t)s->uses << 32) | ((uint64_t)s->index + 1);
}

static trl_msg to_trl(const struct bus_msg *m) {
    return (trl_msg){.struct_size = sizeof(trl_msg),
                     .subject = m->subject,
                     .reply = m->reply,
                     .headers = m->headers,
                     .n_headers = m->n_headers,
                     .payload = {m->body.ptr, m->body.len}};
}

/* The plugin's message in the core's form; false (and a log line) when it asks for what we do not
 * know. */
static bool from_plugin(void *ctx, const trl_msg *m, struct bus_msg *ret) {
    trl_msg own;
    trl_status st = negotiate_request(&own, sizeof(own), m);
    if (st != TRL_OK) {
        struct plug_inst *in = plug_inst_of(ctx);
        char name[160];
        log_error(in->log, "%s sends a message that this core cannot read: %s",
                  inst_name(in, name, sizeof(name)), err_name(st));
        return false;
    }
    *ret = (struct bus_msg){own.subject, own.reply, own.headers, own.n_headers,
                            str_n(own.payload.ptr, own.payload.len)};
    return true;
}

static void host_publish(void *ctx, const trl_msg *m) {
    struct bus_msg own;
    if (from_plugin(ctx, m, &own)) {
        bus_publish(bus_of(ctx), &own);
    }
}

static void on_reply(void *arg, trl_status st, const struct bus_msg *m) {
    struct slot *s = arg;
    void (*fn)(void *, trl_status, const trl_msg *) = s->on_reply;
    struct plug_inst *owner = s->owner;
    void *fn_arg = s->arg;
    trl_msg msg;
    if (m) {
        msg = to_trl(m);
    }
    if (!m || !s->many) {
        free_slot(s);
    }
    struct watch w;
    watch_enter(owner, &w);
    fn(fn_arg, st, m ? &msg : NULL);
    watch_leave(owner, &w, "the answer to a request");
}

static uint64_t request(void *ctx, const trl_msg *m, int64_t timeout_ns,
                        void (*fn)(void *arg, trl_status st, const trl_msg *m), void *arg,
                        bool many) {
    struct bus_msg own = {0};
    struct slot *s = new_slot(ctx, USE_CALL, arg);
    if (!s) {
        return 0;
    }
    s->on_reply = fn;
    s->many = many;
    if (!from_plugin(ctx, m, &own)) {
        own = (struct bus_msg){
            0}; /* no subject: the transport refuses it, so the answer still comes */
    }
    struct bus *b = s->host->bus;
    s->call = many ? bus_request_many(b, &own, timeout_ns, on_reply, s)
                   : bus_request(b, &own, timeout_ns, on_reply, s);
    return id_of(s);
}

static uint64_t host_request(void *ctx, const trl_msg *m, int64_t timeout_ns,
                             void (*fn)(void *arg, trl_status st, const trl_msg *m), void *arg) {
    return request(ctx, m, timeout_ns, fn, arg, false);
}

static uint64_t host_request_many(void *ctx, const trl_msg *m, int64_t timeout_ns,
                                  void (*fn)(void *arg, trl_status st, const trl_msg *m),
                                  void *arg) {
    return request(ctx, m, timeout_ns, fn, arg, true);
}

static void on_msg(void *arg, const struct bus_msg *m) {
    struct slot *s = arg;
    trl_msg msg = to_trl(m);
    struct plug_inst *owner = s->owner;
    struct watch w;
    watch_enter(owner, &w);
    s->on_msg(s->arg, &msg);
    watch_leave(owner, &w, "a message's function");
}

static uint64_t host_subscribe(void *ctx, trl_str subject, trl_str queue,
                               void (*fn)(void *arg, const trl_msg *m), void *arg) {
    struct slot *s = new_slot(ctx, USE_SUB, arg);
    if (!s) {
        return 0;
    }
    s->on_msg = fn;
    s->sub = bus_subscribe(s->host->bus, subject, queue, on_msg, s);
    return id_of(s);
}

static void host_cancel(void *ctx, uint64_t id) {
    struct bus_host *h = bus_of(ctx)->host;
    uint64_t index = id & UINT32_MAX;
    if (!h || index == 0 || index > h->slots.n) {
        return;
    }
    struct slot *s = h->slots.at[index - 1];
    if (s->uses == id >> 32 && s->owner == plug_inst_of(ctx)) {
        end_slot(s);
    }
}

static uint64_t host_watch_link(void *ctx, void (*fn)(void *arg, int32_t up), void *arg) {
    struct slot *s = new_slot(ctx, USE_LINK, arg);
    if (!s) {
        return 0;
    }
    s->on_link = fn;
    bus_watch_link(s->host->bus, on_link, s);
    return id_of(s);
}

const trl_host_transport_v1 bus_host_iface = {sizeof(trl_host_transport_v1),
                                              0,
                                              host_publish,
                                              host_request,
                                              host_request_many,
                                              host_subscribe,
                                              host_cancel,
                                              host_watch_link};
