/* SPDX-License-Identifier: Apache-2.0
 *
 * Puts and deletes: a publish into the bucket's stream with the expected sequence of its subject,
 * and the stream's acknowledgement.
 *
 * A batch goes one write after the other: the next may only be sent when the one before is known to
 * have succeeded, because what was sent cannot be called back.
 */
#include <sodium.h>

#include "msg.h"
#include "store_priv.h"
#include "text.h"

#define ABSENT_TRIES 5

struct item {
    char *key;
    char *value;
    size_t len;
    uint64_t expect;
    int del;
};

struct write {
    struct kvop k;
    struct item *items;
    uint32_t n, at;
    uint64_t expect; /* of the present item, as sent */
    int tries;       /* to find out what "absent" is as a sequence */
    uint64_t revision;
};

static void destroy(struct kvop *k) {
    struct write *w = (struct write *)k;
    for (uint32_t i = 0; i < w->n; i++) {
        free(w->items[i].key);
        if (w->items[i].value) {
            explicit_bzero(w->items[i].value, w->items[i].len);
        }
        free(w->items[i].value);
    }
    free(w->items);
    free(w);
}

static void send_item(struct write *w);

static void conflict(struct write *w) {
    struct item *it = &w->items[w->at];
    if (it->expect != TRL_REV_ANY && it->expect != TRL_REV_ABSENT) {
        bucket_check(w->k.in); /* somebody else wrote, or the bucket was emptied */
    }
    if (it->expect == TRL_REV_ABSENT) {
        kvop_failf(&w->k, TRL_E_CONFLICT, "nats-kv: %.180s exists already", it->key);
    } else {
        kvop_failf(&w->k, TRL_E_CONFLICT, "nats-kv: %.180s is not at revision %llu any more",
                   it->key, (unsigned long long)it->expect);
    }
}

static void fail_item(struct write *w, const trl_err *err) {
    trl_err e = *err;
    if (w->n > 1) {
        trl_errf(&e, err->code, "%.200s (write %u of %u, those before it are stored)", err->msg,
                 w->at + 1, w->n);
    }
    kvop_fail(&w->k, &e);
}

/* Does the stored header block of a message make it a tombstone? */
static int is_tombstone(const json_t *message) {
    const char *b64 = json_string_value(json_object_get(message, "hdrs"));
    size_t cap = b64 ? strlen(b64) + 1 : 0, len = 0;
    char *text = x_zalloc(cap + 1);
    int yes = b64 &&
              sodium_base642bin((unsigned char *)text, cap, b64, strlen(b64), NULL, &len, NULL,
                                sodium_base64_VARIANT_ORIGINAL) == 0 &&
              (strcasestr(text, "\r\nKV-Operation: DEL\r\n") ||
               strcasestr(text, "\r\nKV-Operation: PURGE\r\n"));
    free(text);
    return yes;
}

/* The key was written before: is what is there now a tombstone? Then that is what to expect. */
static void on_last(void *arg, trl_status st, natsMsg *m) {
    struct write *w = arg;
    trl_err err = {.struct_size = sizeof(err)};
    int code;
    json_t *j = js_answer(&w->k.in->peer, st, m, "reading a key", &code, &err), *b_message;
    w->k.call = NULL;
    if (!j && code == JS_E_NOT_FOUND_MSG) {
        w->expect = 0;
        send_item(w);
        return;
    }
    if (!j) {
        fail_item(w, &err);
        return;
    }
    b_message = json_object_get(j, "message");
    if (is_tombstone(b_message)) {
        w->expect = (uint64_t)json_integer_value(json_object_get(b_message, "seq"));
        send_item(w);
    } else {
        conflict(w);
    }
    json_decref(j);
}

static void look_at_last(struct write *w) {
    trl_inst *in = w->k.in;
    char *subject = text_fmt("STREAM.MSG.GET.%s", in->want.name);
    char *key = text_fmt("$KV.%s.%s", in->bucket, w->items[w->at].key);
    w->k.call = js_api(&in->peer, subject, json_pack("{s:s}", "last_by_subj", key), on_last, w);
    free(key);
    free(subject);
}

static void acked(struct write *w, const json_t *ack) {
    w->revision = (uint64_t)json_integer_value(json_object_get(ack, "seq"));
    bucket_saw(w->k.in, w->revision);
    w->at++;
    w->k.repaired = 0;
    if (w->at == w->n) {
        uint64_t revision = w->revision;
        kvop_ok(&w->k, &revision, sizeof(revision));
        return;
    }
    w->expect = w->items[w->at].expect;
    w->tries = 0;
    send_item(w);
}

static void on_ack(void *arg, trl_status st, natsMsg *m) {
    struct write *w = arg;
    trl_err err = {.struct_size = sizeof(err)};
    int code;
    json_t *j;
    w->k.call = NULL;
    if (st == TRL_E_NORESPONDER && kvop_repair(&w->k)) { /* no stream there that would take it */
        return;
    }
    j = js_answer(&w->k.in->peer, st, m, "writing a key", &code, &err);
    if (j) {
        acked(w, j);
    } else if (err.code == TRL_E_CONFLICT && w->items[w->at].expect == TRL_REV_ABSENT &&
               w->tries++ < ABSENT_TRIES) {
        look_at_last(w);
    } else if (err.code == TRL_E_CONFLICT) {
        conflict(w);
    } else if (st == TRL_E_UNAVAIL) {
        trl_errf(&err, st, "nats-kv: the link broke; whether %.150s was written is unknown",
                 w->items[w->at].key);
        fail_item(w, &err);
    } else {
        fail_item(w, &err);
    }
    json_decref(j);
}

static void send_item(struct write *w) {
    trl_inst *in = w->k.in;
    struct item *it = &w->items[w->at];
    struct js_header headers[2];
    size_t n = 0;
    char expect[24], *subject = text_fmt("%s%s", in->put_prefix, it->key);
    if (w->expect != TRL_REV_ANY) {
        snprintf(expect, sizeof(expect), "%llu", (unsigned long long)w->expect);
        headers[n].key = "Nats-Expected-Last-Subject-Sequence";
        headers[n++].value = expect;
    }
    if (it->del) {
        headers[n].key = "KV-Operation";
        headers[n++].value = "DEL";
    }
    w->k.call = js_send(&in->peer, subject, it->value, it->len, headers, n, on_ack, w);
    free(subject);
}

static void go(struct kvop *k) {
    send_item((struct write *)k);
}

static const struct kvop_kind kind = {.go = go, .destroy = destroy};

#define VALUE_MAX (1u << 20) /* of store/1 */

/* Headers of a write take less than this. */
#define HEADER_ROOM 160u

static trl_status check_put(trl_inst *in, const trl_put *p, trl_err *err) {
    uint64_t max = conn_max_payload(in->peer.conn);
    if (!trl_key_ok(p->key)) {
        return trl_errf(err, TRL_E_INVALID,
                        "nats-kv: a key has 1 to 250 of A-Za-z0-9._=/- and no empty part");
    }
    if (p->value.len > VALUE_MAX) {
        return trl_errf(
            err, TRL_E_INVALID, "nats-kv: the value of %.*s has %zu bytes, at most %u go",
            (int)(p->key.len < 100 ? p->key.len : 100), p->key.ptr, p->value.len, VALUE_MAX);
    }
    if (max && p->value.len + HEADER_ROOM > max) {
        return trl_errf(err, TRL_E_INVALID,
                        "nats-kv: the value of %.*s has %zu bytes, the server takes %llu with "
                        "headers: raise max_payload of the server",
                        (int)(p->key.len < 100 ? p->key.len : 100), p->key.ptr, p->value.len,
                        (unsigned long long)max);
    }
    return TRL_OK;
}

void write_begin(trl_inst *in, trl_op *op, const void *puts, uint32_t n, uint32_t stride) {
    struct write *w;
    trl_err err = {.struct_size = sizeof(err)};
    trl_bytes none = {NULL, 0};
    for (uint32_t i = 0; i < n; i++) {
        if (check_put(in, trl_at(puts, stride, i), &err) != TRL_OK) {
            in->peer.host->op_done(op, err.code, none, &err);
            return;
        }
    }
    if (n == 0) {
        uint64_t revision = in->last_seq;
        trl_bytes result = {&revision, sizeof(revision)};
        in->peer.host->op_done(op, TRL_OK, result, NULL);
        return;
    }
    w = x_zalloc(sizeof(*w));
    w->k.kind = &kind;
    w->items = x_zalloc_n(n, sizeof(*w->items));
    w->n = n;
    for (uint32_t i = 0; i < n; i++) {
        const trl_put *p = trl_at(puts, stride, i);
        struct item *it = &w->items[i];
        it->key = text_of(p->key);
        it->expect = p->expect_rev;
        it->del = (p->flags & TRL_PUT_DELETE) != 0;
        it->len = it->del ? 0 : p->value.len;
        it->value = it->len ? x_alloc(it->len) : NULL;
        if (it->len) {
            memcpy(it->value, p->value.ptr, it->len);
        }
    }
    w->expect = w->items[0].expect;
    kvop_begin(in, &w->k, op);
}
