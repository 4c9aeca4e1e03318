/* SPDX-License-Identifier: Apache-2.0
 *
 * What the reference backend offers on the bus beside the hosts' protocol: put_secret, add_mapping
 * and remove_mapping. Grants are changed under a lock of the reference backend's kind, and only if
 * nobody changed them meanwhile, so that both may run side by side.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../../plugins/common/jpull.h"
#include "../../plugins/common/xmem.h"
#include "../common/sjson.h"
#include "kv.h"

#define REQUEST_MAX (8u * 1024u * 1024u) /* 1 MiB of bytes as JSON numbers */
#define NAMES_MAX   10000u
#define LOCK_TRIES  8
#define WRITE_TRIES 5

static void reply_to(trl_inst *in, const char *subject, const char *text) {
    trl_msg m;
    memset(&m, 0, sizeof(m));
    m.struct_size = sizeof(m);
    m.subject = trl_cstr(subject);
    m.payload = (trl_bytes){text, strlen(text)};
    in->bus->publish(in->host->ctx, &m);
}

static char *dup_str(trl_str s) {
    return x_checked(strndup(s.len ? s.ptr : "", s.len));
}

/* put_secret */

struct storing {
    struct flow f;
    char *reply;
};

static void storing_finish(struct flow *f) {
    free(((struct storing *)f)->reply);
}

static void on_stored(struct flow *f, trl_status st, const trl_msg *m) {
    struct storing *s = (struct storing *)f;
    char why[200], text[260];
    uint64_t seq = 0;
    if (js_ack(st, m, &seq, why) == TRL_OK) {
        snprintf(text, sizeof(text), "{\"revision\":%llu,\"error\":null}", (unsigned long long)seq);
    } else {
        snprintf(text, sizeof(text), "the secret was not stored: %s", why);
    }
    reply_to(f->in, s->reply, text);
    flow_free(f);
}

static void store(trl_inst *in, trl_str reply, trl_str key, const void *value, size_t n) {
    struct storing *s = flow_new(in, sizeof(*s), NULL);
    char *subject = text_of("%s$KV.%s.%.*s", in->put_prefix, in->bucket, (int)key.len, key.ptr);
    uint8_t *box = seal_at_rest(in, value, n);
    s->f.finish = storing_finish;
    s->reply = dup_str(reply);
    if (box) {
        flow_request(&s->f, subject, NULL, 0, (trl_bytes){box, n + XKEY_OVERHEAD}, on_stored);
    } else {
        reply_to(in, s->reply, "the secret was not stored: it cannot be sealed");
        flow_free(&s->f);
    }
    free(box);
    free(subject);
}

/* The value of the request, in the clear into out (which has room for the request). */
static int take_value(trl_str request, uint8_t *out, size_t *ret_n) {
    trl_str v = {NULL, 0};
    enum sjson got = sjson_member(request, trl_cstr("string_secret"), &v);
    if (got == SJSON_OK && !jpull_is(v, "null")) {
        return jpull_decode(v, (char *)out, ret_n);
    }
    return got != SJSON_BAD && sjson_member(request, trl_cstr("binary_secret"), &v) == SJSON_OK &&
           !jpull_is(v, "null") && sjson_bytes(v, out, ret_n);
}

/* An error's name, or NULL: it was sent to the bucket. */
static const char *put_opened(trl_inst *in, trl_str reply, trl_str request, uint8_t *scratch) {
    char key[256];
    size_t n_key = 0, n = 0;
    trl_str v = {NULL, 0};
    if (sjson_member(request, trl_cstr("key"), &v) != SJSON_OK || v.len > sizeof(key) ||
        !jpull_decode(v, key, &n_key) || !kv_key_ok((trl_str){key, n_key}) ||
        !take_value(request, scratch, &n) || n > TRL_SECRET_MAX_BYTES) {
        return "InvalidPayload";
    }
    store(in, reply, (trl_str){key, n_key}, scratch, n);
    return NULL;
}

static const char *put_sealed(trl_inst *in, const trl_msg *m) {
    const trl_label *h = NULL;
    uint8_t from[32], *plain, *scratch;
    const char *error;
    size_t n = m->payload.len;
    for (uint32_t i = 0; i < m->n_headers; i++) {
        if (trl_str_is(m->headers[i].key, "WasmCloud-Host-Xkey")) {
            h = &m->headers[i];
        }
    }
    if (n == 0) {
        return "InvalidPayload";
    }
    if (m->n_headers == 0) {
        return "InvalidHeaders";
    }
    if (!h || !xkey_parse_public(h->value, from)) {
        return "InvalidXKey";
    }
    if (n < XKEY_OVERHEAD || n > REQUEST_MAX) {
        return "DecryptionError";
    }
    plain = in->secret->alloc(in->host->ctx, n);
    scratch = in->secret->alloc(in->host->ctx, n);
    if (!plain || !scratch || !xkey_open(&in->keys->transit, from, m->payload.ptr, n, plain)) {
        error = "DecryptionError";
    } else {
        error =
            put_opened(in, m->reply, (trl_str){(const char *)plain, n - XKEY_OVERHEAD}, scratch);
    }
    in->secret->free(in->host->ctx, scratch);
    in->secret->free(in->host->ctx, plain);
    return error;
}

static void on_put_secret(void *arg, const trl_msg *m) {
    trl_inst *in = arg;
    const char *error;
    char text[80], *reply;
    if (m->reply.len == 0) {
        return;
    }
    error = put_sealed(in, m);
    if (error) {
        snprintf(text, sizeof(text), "{\"revision\":0,\"error\":\"%s\"}", error);
        reply = dup_str(m->reply);
        reply_to(in, reply, text);
        free(reply);
    }
}

/* Grants */

struct mapping {
    struct flow f;
    char *reply, *entity;
    json_t *names; /* to be added or taken away */
    int add, lock_tries, write_tries;
    uint64_t lock_seq;
    char said[256]; /* the answer, while the lock is given back */
};

static void mapping_finish(struct flow *f) {
    struct mapping *p = (struct mapping *)f;
    free(p->reply);
    free(p->entity);
    json_decref(p->names);
}

static void on_unlocked(struct flow *f, trl_status st, const trl_msg *m) {
    struct mapping *p = (struct mapping *)f;
    (void)st, (void)m; /* else it ends by its age */
    reply_to(f->in, p->reply, p->said);
    flow_free(f);
}

__attribute__((format(printf, 2, 3))) static void unlock(struct mapping *p, const char *fmt, ...) {
    char *subject, *body;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(p->said, sizeof(p->said), fmt, ap);
    va_end(ap);
    if (!p->lock_seq) {
        on_unlocked(&p->f, TRL_OK, NULL);
        return;
    }
    subject = text_of("%sSTREAM.MSG.DELETE.%s", p->f.in->api, p->f.in->lock_stream);
    body = text_of("{\"seq\":%llu,\"no_erase\":true}", (unsigned long long)p->lock_seq);
    flow_request(&p->f, subject, NULL, 0, (trl_bytes){body, strlen(body)}, on_unlocked);
    free(body);
    free(subject);
}

static int position(const json_t *list, const char *name, size_t *ret) {
    const json_t *one;
    size_t i;
    json_array_foreach(list, i, one) {
        if (json_is_string(one) && strcmp(json_string_value(one), name) == 0) {
            *ret = i;
            return 1;
        }
    }
    return 0;
}

/* The list with the change; NULL: it is as it should be already. */
static json_t *changed(const struct mapping *p, json_t *list) {
    const json_t *one;
    size_t i, at = 0;
    int differs = 0;
    json_array_foreach(p->names, i, one) {
        int there = position(list, json_string_value(one), &at);
        if (p->add && !there) {
            json_array_append_new(list, json_string(json_string_value(one)));
            differs = 1;
        } else if (!p->add && there) {
            json_array_remove(list, at);
            differs = 1;
        }
    }
    return differs ? list : NULL;
}

static void read_grants(struct mapping *p);

static void on_written(struct flow *f, trl_status st, const trl_msg *m) {
    struct mapping *p = (struct mapping *)f;
    char why[200];
    uint64_t seq = 0;
    st = js_ack(st, m, &seq, why);
    if (st == TRL_E_CONFLICT && ++p->write_tries < WRITE_TRIES) {
        read_grants(p);
    } else if (st != TRL_OK) {
        unlock(p, "the grants were not written: %s", why);
    } else {
        unlock(p, "ok");
    }
}

static void on_read(struct flow *f, trl_status st, const trl_msg *m) {
    struct mapping *p = (struct mapping *)f;
    char seq[24], *subject, *body;
    struct js_got got;
    json_t *list;
    js_got_parse(f->in->state_bucket, p->entity, st, m, &got);
    list = got.st == TRL_E_NOTFOUND
               ? json_array()
               : json_loadb((const char *)got.data, got.data ? got.len : 0, 0, NULL);
    js_got_finish(&got);
    if (got.st != TRL_OK && got.st != TRL_E_NOTFOUND) {
        unlock(p, "the grants cannot be read: %s", got.why);
    } else if (!json_is_array(list)) {
        unlock(p, "the grants that are there are not a JSON list; nothing was changed");
    } else if (!changed(p, list)) {
        unlock(p, "ok");
    } else {
        trl_label only;
        snprintf(seq, sizeof(seq), "%llu", (unsigned long long)got.seq);
        only.key = trl_cstr("Nats-Expected-Last-Subject-Sequence");
        only.value = trl_cstr(seq);
        subject = text_of("%s$KV.%s.%s", f->in->put_prefix, f->in->state_bucket, p->entity);
        body = x_checked(json_dumps(list, JSON_COMPACT));
        flow_request(f, subject, &only, 1, (trl_bytes){body, strlen(body)}, on_written);
        free(body);
        free(subject);
    }
    json_decref(list);
}

static void read_grants(struct mapping *p) {
    js_get(&p->f, p->f.in->state_bucket, p->entity, 0, on_read);
}

static void lock(struct flow *f);

static void on_locked(struct flow *f, trl_status st, const trl_msg *m) {
    struct mapping *p = (struct mapping *)f;
    char why[200];
    st = js_ack(st, m, &p->lock_seq, why);
    if (st == TRL_OK) {
        read_grants(p);
        return;
    }
    p->lock_seq = 0;
    if (st == TRL_E_CONFLICT && ++p->lock_tries < LOCK_TRIES) {
        int64_t ms = 50ll << p->lock_tries;
        flow_wait(f, ms < 1000 ? ms : 1000, lock);
    } else {
        unlock(p, "%s", st == TRL_E_CONFLICT ? "timed out getting lock" : why);
    }
}

static void lock(struct flow *f) {
    char *subject = text_of("%s.%s", f->in->lock_stream, ((struct mapping *)f)->entity);
    flow_request(f, subject, NULL, 0, (trl_bytes){"lock", 4}, on_locked);
    free(subject);
}

/* The names, or NULL and why not. */
static json_t *take_names(const trl_msg *m, const char **why) {
    json_t *v = json_loadb(m->payload.ptr, m->payload.len, 0, NULL), *one;
    size_t i;
    *why = "the payload is not a JSON list of keys";
    if (!json_is_array(v) || json_array_size(v) > NAMES_MAX) {
        json_decref(v);
        return NULL;
    }
    json_array_foreach(v, i, one) {
        trl_str s = {json_string_value(one), json_string_length(one)};
        if (!s.ptr || !kv_key_ok(s)) {
            *why = "the list has an entry that is no key of a bucket";
            json_decref(v);
            return NULL;
        }
    }
    return v;
}

static void on_mapping(trl_inst *in, const trl_msg *m, int add) {
    const char *at = memrchr(m->subject.ptr, '.', m->subject.len), *why = NULL;
    trl_str entity = {at + 1, (size_t)(m->subject.ptr + m->subject.len - at - 1)};
    struct mapping *p;
    json_t *names;
    char *reply;
    if (m->reply.len == 0) {
        return;
    }
    names = take_names(m, &why);
    if (!names || !kv_key_ok(entity)) {
        reply = dup_str(m->reply);
        reply_to(in, reply, names ? "the subject does not end with a public key" : why);
        free(reply);
        json_decref(names);
        return;
    }
    p = flow_new(in, sizeof(*p), NULL);
    p->f.finish = mapping_finish;
    p->reply = dup_str(m->reply);
    p->entity = dup_str(entity);
    p->names = names;
    p->add = add;
    lock(&p->f);
}

static void on_add(void *arg, const trl_msg *m) {
    on_mapping(arg, m, 1);
}

static void on_remove(void *arg, const trl_msg *m) {
    on_mapping(arg, m, 0);
}

static void subscribe(trl_inst *in, const char *what, void (*fn)(void *arg, const trl_msg *m)) {
    char *subject = text_of("%s.v1alpha1.%s.%s", in->topic, in->name, what);
    char *queue = text_of("wasmcloud_secrets.%s", in->name);
    in->subs[in->n_subs++] =
        in->bus->subscribe(in->host->ctx, trl_cstr(subject), trl_cstr(queue), fn, in);
    free(queue);
    free(subject);
}

void serve_begin(trl_inst *in) {
    if (!in->operations) {
        return;
    }
    subscribe(in, "add_mapping.*", on_add);
    subscribe(in, "remove_mapping.*", on_remove);
    if (in->keys->has_transit) {
        subscribe(in, "put_secret", on_put_secret);
    }
}
