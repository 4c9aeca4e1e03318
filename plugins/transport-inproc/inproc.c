/* SPDX-License-Identifier: Apache-2.0
 *
 * transport/1 "inproc": a subject bus inside one process. One instance is one bus; everything that
 * shares the instance talks to each other. It lives on the loop, keeps nothing, needs no clock and
 * draws no random numbers, so runs on the virtual loop are repeatable.
 */
#include <jansson.h>
#include <trellis/trellis.h>

#include "../common/xmem.h"
#include "route.h"

#define MAX_PAYLOAD 1048576u /* as a NATS server's default, so that apps fit both */
#define INBOX       "_INBOX.inproc."
#define SUBJECT_MAX 4096u

static trl_status msg_check(const trl_msg *m, trl_err *err) {
    size_t size = held_cost(m) - m->subject.len - m->reply.len;
    if (m->subject.len > SUBJECT_MAX || !subject_ok(m->subject, 0)) {
        return trl_errf(err, TRL_E_INVALID,
                        "\"%.*s\" is no subject to publish on: tokens joined by '.', no blanks, no "
                        "wildcards, at most %u bytes",
                        (int)(m->subject.len < 100 ? m->subject.len : 100),
                        m->subject.ptr ? m->subject.ptr : "", SUBJECT_MAX);
    }
    if (size > MAX_PAYLOAD) {
        return trl_errf(err, TRL_E_INVALID,
                        "message on %.*s has %zu bytes; the most this transport carries is %u",
                        (int)(m->subject.len < 100 ? m->subject.len : 100), m->subject.ptr, size,
                        MAX_PAYLOAD);
    }
    return TRL_OK;
}

static void fail(trl_inst *in, trl_op *op, const trl_err *err) {
    trl_bytes none = {NULL, 0};
    in->host->op_done(op, err->code, none, err);
}

static void publish(trl_inst *in, trl_op *op, const trl_msg *m) {
    trl_err err = {.struct_size = sizeof(err)};
    if (msg_check(m, &err) < 0) {
        if (op) {
            fail(in, op, &err);
        } else {
            trl_logf(in->host, TRL_LOG_WARN, "not published: %s", err.msg);
        }
        return;
    }
    route(in, m);
    if (op) {
        trl_op_ok(in->host, op);
    }
}

static void start_request(trl_inst *in, trl_op *op, const trl_msg *m, enum recv_kind kind) {
    trl_err err = {.struct_size = sizeof(err)};
    char inbox[sizeof(INBOX) + 20];
    trl_msg out = {.struct_size = sizeof(out),
                   .subject = m->subject,
                   .headers = m->headers,
                   .n_headers = m->n_headers,
                   .payload = m->payload};
    struct recv *r;
    if (msg_check(m, &err) < 0) {
        fail(in, op, &err);
        return;
    }
    r = recv_new(in, kind, op, m->subject);
    snprintf(inbox, sizeof(inbox), INBOX "%llu", (unsigned long long)r->inbox);
    out.reply = trl_cstr(inbox);
    if (route(in, &out) == 0) {
        recv_free(in, r);
        in->count.no_responder++;
        trl_errf(&err, TRL_E_NORESPONDER, "nobody listens on %.*s",
                 (int)(m->subject.len < 200 ? m->subject.len : 200), m->subject.ptr);
        fail(in, op, &err);
    }
}

static void request(trl_inst *in, trl_op *op, const trl_msg *m) {
    start_request(in, op, m, RECV_REQUEST);
}

static void request_many(trl_inst *in, trl_op *op, const trl_msg *m) {
    start_request(in, op, m, RECV_MANY);
}

static void subscribe(trl_inst *in, trl_op *op, trl_str subject, trl_str queue) {
    struct recv *r;
    if (subject.len > SUBJECT_MAX || !subject_ok(subject, 1)) {
        trl_op_fail(in->host, op, TRL_E_INVALID,
                    "no subject to subscribe: tokens joined by '.', '*' for one token, '>' at the "
                    "end for the rest, no blanks");
        return;
    }
    r = recv_new(in, RECV_SUB, op, subject);
    in->count.subs++;
    if (queue.len) {
        recv_join(in, r, queue);
    }
    trie_add(&in->trie, subject, &r->link);
}

static void watch_link(trl_inst *in, trl_op *op) {
    static const uint8_t up = TRL_LINK_UP;
    trl_bytes item = {&up, 1};
    recv_new(in, RECV_LINK, op, trl_cstr("link"));
    in->host->op_emit(op, item);
}

static void cancel(trl_inst *in, trl_op *op) {
    struct recv *r = u64map_find(&in->by_op, u64map_ptr_key(op));
    if (r) {
        recv_end(in, r, TRL_E_CANCELLED);
    }
}

static void resume(trl_inst *in, trl_op *op) {
    struct recv *r = u64map_find(&in->by_op, u64map_ptr_key(op));
    if (r && r->paused) {
        recv_resume(in, r);
    }
}

static void info(trl_inst *in, trl_op *op) {
    char text[512];
    trl_bytes out = {text, 0};
    out.len = (size_t)snprintf(
        text, sizeof(text),
        "{\"server\":\"inproc\",\"up\":true,\"max_payload\":%u,\"subscriptions\":%llu,"
        "\"published\":%llu,\"delivered\":%llu,\"dropped\":%llu,\"slow_consumers\":%llu,"
        "\"no_responders\":%llu}",
        MAX_PAYLOAD, (unsigned long long)in->count.subs, (unsigned long long)in->count.published,
        (unsigned long long)in->count.delivered, (unsigned long long)in->count.dropped,
        (unsigned long long)in->count.slow, (unsigned long long)in->count.no_responder);
    in->host->op_done(op, TRL_OK, out, NULL);
}

static int64_t config_int(const json_t *config, const char *key, int64_t dflt) {
    const json_t *v = json_object_get(config, key);
    return json_is_integer(v) ? json_integer_value(v) : dflt;
}

static trl_status create(const trl_host *h, trl_str config, trl_inst **out, trl_err *err) {
    const trl_host_msg_v1 *msg = h->get_interface(h->ctx, TRL_HOST_MSG_V1);
    json_t *j_config = config.len ? json_loadb(config.ptr, config.len, 0, NULL) : json_object();
    trl_inst *in;
    if (!msg || !json_is_object(j_config)) {
        json_decref(j_config);
        return trl_errf(err, msg ? TRL_E_INVALID : TRL_E_UNSUPP,
                        msg ? "the configuration is no JSON object"
                            : "the host offers no " TRL_HOST_MSG_V1);
    }
    in = x_zalloc(sizeof(*in));
    in->host = h;
    in->msg = msg;
    in->max_pending = config_int(j_config, "max_pending", 65536);
    in->max_pending_bytes = config_int(j_config, "max_pending_bytes", 64 << 20);
    json_decref(j_config);
    trie_init(&in->trie);
    *out = in;
    return TRL_OK;
}

static void stop(trl_inst *in, trl_op *op) {
    while (in->first) {
        recv_end(in, in->first, TRL_E_CANCELLED);
    }
    trl_op_ok(in->host, op);
}

static void destroy(trl_inst *in) {
    while (in->first) {
        recv_free(in, in->first);
    }
    trie_finish(&in->trie);
    u64map_finish(&in->by_op);
    u64map_finish(&in->by_inbox);
    free(in->fit);
    free(in);
}

static const trl_transport_v1 table = {
    .struct_size = sizeof(table),
    .max_payload = MAX_PAYLOAD,
    .publish = publish,
    .request = request,
    .request_many = request_many,
    .subscribe = subscribe,
    .watch_link = watch_link,
    .cancel = cancel,
    .resume = resume,
    .info = info,
};

static const void *get_interface(trl_inst *in, const char *id) {
    (void)in;
    return strcmp(id, TRL_KIND_TRANSPORT) == 0 ? &table : NULL;
}

static const char *const needs[] = {TRL_HOST_MSG_V1, NULL};

static const trl_component component = {
    .struct_size = sizeof(component),
    .thread_model = TRL_LOOP,
    .iface = TRL_KIND_TRANSPORT,
    .name = "inproc",
    .summary = "Subjects inside one process: no broker, nothing leaves it, nothing is kept",
    .config_schema =
        "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
        "\"max_pending\":{\"type\":\"integer\",\"minimum\":1,\"default\":65536,"
        "\"description\":\"Messages held for a subscriber that is behind; above, its new ones are "
        "dropped\"},"
        "\"max_pending_bytes\":{\"type\":\"integer\",\"minimum\":1,\"default\":67108864,"
        "\"description\":\"The same in bytes\"}}}",
    .needs = needs,
    .create = create,
    .stop = stop,
    .destroy = destroy,
    .get_interface = get_interface,
};

TRL_PLUGIN("trellis.transport-inproc", "0.1.0", 0, &component);
