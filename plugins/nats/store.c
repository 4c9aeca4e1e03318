/* SPDX-License-Identifier: Apache-2.0
 *
 * store/1 "nats-kv": a key-value bucket of JetStream, spoken on the wire so that nothing blocks.
 */
#include "store.h"

#include <sodium.h>

#include "msg.h"
#include "schema.h"
#include "store_priv.h"
#include "text.h"

/* get */

struct get {
    struct kvop k;
    char *key;
};

static void get_destroy(struct kvop *k) {
    struct get *g = (struct get *)k;
    free(g->key);
    free(g);
}

static void get_found(struct get *g, uint64_t revision, trl_str operation, trl_bytes value) {
    if (trl_str_is(operation, "DEL") || trl_str_is(operation, "PURGE")) {
        kvop_failf(&g->k, TRL_E_NOTFOUND, "nats-kv: %.180s was deleted", g->key);
        return;
    }
    kvop_emit(&g->k, 0, revision, trl_cstr(g->key), value);
    kvop_end_after(&g->k);
}

static void on_direct(void *arg, trl_status st, natsMsg *m) {
    struct get *g = arg;
    trl_err err = {.struct_size = sizeof(err)};
    uint64_t seq;
    int code;
    trl_bytes value;
    g->k.call = NULL;
    if (st != TRL_OK) {
        if (st == TRL_E_NORESPONDER && kvop_repair(&g->k)) {
            return;
        }
        js_answer(&g->k.in->peer, st, NULL, "reading a key", &code, &err);
        kvop_fail(&g->k, &err);
        return;
    }
    seq = msg_get_u64(m, "Nats-Sequence");
    if (!seq) {
        code = msg_status(m);
        kvop_failf(&g->k, code == 404 ? TRL_E_NOTFOUND : TRL_E_INTERNAL,
                   code == 404 ? "nats-kv: no key %.180s" : "nats-kv: reading %.180s: status %d",
                   g->key, code);
        return;
    }
    value.ptr = natsMsg_GetData(m);
    value.len = (size_t)natsMsg_GetDataLength(m);
    get_found(g, seq, msg_get(m, "KV-Operation"), value);
}

/* base64 of the API (owned, NUL behind); NULL when absent or broken. */
static char *decoded(const json_t *message, const char *field, size_t *ret_len) {
    const char *b64 = json_string_value(json_object_get(message, field));
    size_t cap = b64 ? json_string_length(json_object_get(message, field)) : 0;
    char *out;
    *ret_len = 0;
    if (!b64) {
        return NULL;
    }
    out = x_zalloc(cap + 1);
    if (sodium_base642bin((unsigned char *)out, cap, b64, cap, NULL, ret_len, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0) {
        free(out);
        return NULL;
    }
    return out;
}

/* The way for buckets without direct reads. */
static void on_stored(void *arg, trl_status st, natsMsg *m) {
    struct get *g = arg;
    trl_err err = {.struct_size = sizeof(err)};
    int code;
    json_t *j = js_answer(&g->k.in->peer, st, m, "reading a key", &code, &err), *b_message;
    char *headers, *data;
    size_t headers_len, len;
    trl_bytes value;
    g->k.call = NULL;
    if (!j) {
        if (code == JS_E_NOT_FOUND_STREAM && kvop_repair(&g->k)) {
            return;
        }
        kvop_fail(&g->k, &err);
        return;
    }
    b_message = json_object_get(j, "message");
    headers = decoded(b_message, "hdrs", &headers_len);
    data = decoded(b_message, "data", &len);
    value.ptr = data;
    value.len = len;
    get_found(g, (uint64_t)json_integer_value(json_object_get(b_message, "seq")),
              trl_cstr(headers && strcasestr(headers, "\r\nKV-Operation: DEL\r\n")     ? "DEL"
                       : headers && strcasestr(headers, "\r\nKV-Operation: PURGE\r\n") ? "PURGE"
                                                                                       : NULL),
              value);
    free(headers);
    free(data);
    json_decref(j);
}

static void get_go(struct kvop *k) {
    struct get *g = (struct get *)k;
    trl_inst *in = k->in;
    char *key = text_fmt("$KV.%s.%s", in->bucket, g->key);
    char *subject = in->allow_direct ? text_fmt("DIRECT.GET.%s.%s", in->want.name, key)
                                     : text_fmt("STREAM.MSG.GET.%s", in->want.name);
    k->call = in->allow_direct ? js_api(&in->peer, subject, NULL, on_direct, g)
                               : js_api(&in->peer, subject, json_pack("{s:s}", "last_by_subj", key),
                                        on_stored, g);
    free(subject);
    free(key);
}

static const struct kvop_kind get_kind = {.go = get_go, .destroy = get_destroy};

static void get(trl_inst *in, trl_op *op, trl_str key) {
    struct get *g;
    if (!trl_key_ok(key)) {
        trl_op_fail(in->peer.host, op, TRL_E_INVALID,
                    "nats-kv: a key has 1 to 250 of A-Za-z0-9._=/- and no empty part");
        return;
    }
    g = x_zalloc(sizeof(*g));
    g->k.kind = &get_kind;
    g->key = text_of(key);
    kvop_begin(in, &g->k, op);
}

/* The other functions of the kind */

static void put(trl_inst *in, trl_op *op, const trl_put *p) {
    write_begin(in, op, p, 1, p->struct_size);
}

static void del(trl_inst *in, trl_op *op, trl_str key, uint64_t expect_rev) {
    trl_put p = {
        .struct_size = sizeof(p), .flags = TRL_PUT_DELETE, .key = key, .expect_rev = expect_rev};
    write_begin(in, op, &p, 1, sizeof(p));
}

static void list(trl_inst *in, trl_op *op, trl_str prefix, trl_str after, uint32_t limit) {
    list_begin(in, op, prefix, after, limit);
}

static void watch(trl_inst *in, trl_op *op, trl_str prefix, uint64_t from_rev) {
    watch_begin(in, op, prefix, from_rev);
}

static void cancel_start(trl_inst *in) {
    trl_op *op = in->start_op;
    if (op) {
        in->start_op = NULL;
        trl_op_fail(in->peer.host, op, TRL_E_CANCELLED, "nats-kv: stopped while connecting");
    }
}

static void cancel(trl_inst *in, trl_op *op) {
    struct kvop *k = u64map_find(&in->by_op, u64map_ptr_key(op));
    if (k) {
        kvop_failf(k, TRL_E_CANCELLED, "nats-kv: cancelled");
    } else if (op == in->start_op) {
        cancel_start(in);
    }
}

static void resume(trl_inst *in, trl_op *op) {
    struct kvop *k = u64map_find(&in->by_op, u64map_ptr_key(op));
    if (k) {
        kvop_resume(k);
    }
}

static void info(trl_inst *in, trl_op *op) {
    static const char *const states[] = {"down", "checking", "ready", "failed"};
    json_t *j = json_pack(
        "{s:s,s:s,s:s,s:b,s:s,s:I,s:I,s:I,s:I}", "bucket", in->bucket, "state", states[in->state],
        "storage", in->peer.storage, "direct_reads", in->allow_direct, "durability", "acked",
        "revision", (json_int_t)in->last_seq, "messages", (json_int_t)in->messages, "started_over",
        (json_int_t)in->wipes, "resyncs", (json_int_t)in->resyncs);
    if (in->state == BUCKET_FAILED) {
        json_object_set_new(j, "error", json_string(in->trouble.msg));
    }
    json_object_set_new(j, "drift", in->j_drift ? json_incref(in->j_drift) : json_array());
    peer_info(&in->peer, op, j);
}

/* Life */

static void on_event(struct peer *p, enum conn_event e) {
    bucket_on_event((trl_inst *)((char *)p - offsetof(trl_inst, peer)), e);
}

static int bucket_name_ok(const char *s) {
    size_t n = strlen(s);
    return n > 0 && n <= 100 &&
           strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == n;
}

/* Fills *in, except for what needs a host, when h is NULL. */
static trl_status init(trl_inst *in, const trl_host *h, trl_str config, trl_err *err) {
    json_t *j = config.len ? json_loadb(config.ptr, config.len, 0, NULL) : json_object();
    const char *bucket = opts_str(j, "bucket") ? opts_str(j, "bucket") : "trellis";
    trl_status st = TRL_OK;
    if (!json_is_object(j)) {
        st = trl_errf(err, TRL_E_INVALID, "nats-kv: the configuration is no JSON object");
    } else if (!bucket_name_ok(bucket)) {
        st = trl_errf(err, TRL_E_INVALID,
                      "bucket: 1 to 100 letters, digits, '_' and '-' make the name of a bucket");
    } else {
        st = peer_init(&in->peer, "nats-kv", h, j, on_event, err);
    }
    if (st == TRL_OK) {
        in->bucket = text_dup(bucket);
        in->heartbeat_ms = opts_int(j, "heartbeat_ms", 2000);
        in->check_interval_ms = opts_int(j, "check_interval_ms", 10000);
        in->want.name = text_fmt("KV_%s", bucket);
        in->want.subjects = x_zalloc_n(1, sizeof(char *));
        in->want.subjects[0] = text_fmt("$KV.%s.>", bucket);
        in->want.n_subjects = 1;
        in->want.max_msgs_per_subject = opts_int(j, "history", 1);
        in->want.max_bytes = opts_int(j, "max_bytes", -1);
        in->want.allow_direct = 1;
        in->want.bucket = 1;
        in->put_prefix = text_fmt("%s$KV.%s.", in->peer.domain ? in->peer.api : "", bucket);
        trl_errf(&in->trouble, TRL_E_UNAVAIL, "nats-kv: no link to the server");
    }
    json_decref(j);
    return st;
}

static void finish(trl_inst *in) {
    peer_finish(&in->peer);
    stream_want_finish(&in->want);
    free(in->bucket);
    free(in->put_prefix);
    free(in->said);
    json_decref(in->j_drift);
    u64map_finish(&in->by_op);
}

static trl_status check(trl_str config, trl_err *err) {
    trl_inst in = {0};
    trl_status st = init(&in, NULL, config, err);
    if (st == TRL_OK) {
        finish(&in);
    }
    return st;
}

static trl_status create(const trl_host *h, trl_str config, trl_inst **out, trl_err *err) {
    const trl_host_loop_v1 *loop = h->get_interface(h->ctx, TRL_HOST_LOOP_V1);
    trl_inst *in;
    trl_status st;
    if (!loop) {
        return trl_errf(err, TRL_E_UNSUPP, "nats-kv: the host offers no " TRL_HOST_LOOP_V1);
    }
    in = x_zalloc(sizeof(*in));
    in->trouble.struct_size = sizeof(in->trouble);
    st = init(in, h, config, err);
    if (st != TRL_OK) {
        free(in);
        return st;
    }
    in->loop = loop;
    *out = in;
    return TRL_OK;
}

static void start(trl_inst *in, trl_op *op) {
    in->start_op = op;
    bucket_start_tick(in);
    peer_start(&in->peer);
}

static void stop(trl_inst *in, trl_op *op) {
    bucket_end(in);
    cancel_start(in);
    peer_stop(&in->peer, op);
}

static void destroy(trl_inst *in) {
    bucket_end(in);
    finish(in);
    free(in);
}

static const trl_store_v1 table = {
    .struct_size = sizeof(table),
    .flags = TRL_S_ACKED | TRL_S_COALESCES,
    .get = get,
    .put = put,
    .del = del,
    .batch = write_begin,
    .list = list,
    .watch = watch,
    .cancel = cancel,
    .resume = resume,
    .info = info,
};

static const void *get_interface(trl_inst *in, const char *id) {
    (void)in;
    return strcmp(id, TRL_KIND_STORE) == 0 ? &table : NULL;
}

static const char *const needs[] = {TRL_HOST_LOOP_V1, NULL};
static const char *const rights[] = {"net", "fs:read", NULL};

const trl_component store_component = {
    .struct_size = sizeof(store_component),
    .thread_model = TRL_LOOP,
    .iface = TRL_KIND_STORE,
    .name = "nats-kv",
    .summary = "Keys in a JetStream bucket, as durable and replicated as the server keeps it",
    .config_schema = store_schema,
    .needs = needs,
    .rights = rights,
    .check = check,
    .create = create,
    .start = start,
    .stop = stop,
    .destroy = destroy,
    .get_interface = get_interface,
};
