/* SPDX-License-Identifier: Apache-2.0
 *
 * The ops of secrets/1 "nats-kv". A version is the revision of the entry in the bucket.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "../../plugins/common/utf8.h"
#include "../../plugins/common/xmem.h"
#include "kv.h"

struct look { /* fetch and check */
    struct flow f;
    int want_value;
    char *key, *entity; /* entity: NULL when nobody's grant is asked */
    uint64_t seq;
};

struct put {
    struct flow f;
    char *key;
};

int kv_key_ok(trl_str key) {
    return trl_key_ok(key);
}

static char *dup_str(trl_str s) {
    return x_checked(strndup(s.len ? s.ptr : "", s.len));
}

static void look_finish(struct flow *f) {
    struct look *l = (struct look *)f;
    free(l->key);
    free(l->entity);
}

/* Opens the box and completes the op. */
static void answer(struct look *l, const struct js_got *got) {
    trl_inst *in = l->f.in;
    size_t n = got->len < XKEY_OVERHEAD ? 0 : got->len - XKEY_OVERHEAD;
    char version[24];
    uint8_t *plain;
    trl_secret s;
    if (n > TRL_SECRET_MAX_BYTES) {
        flow_fail(&l->f, TRL_E_INVALID, "%.120s: larger than 1 MiB", l->key);
        return;
    }
    plain = in->secret->alloc(in->host->ctx, n);
    if (!plain) {
        flow_fail(&l->f, TRL_E_BUSY,
                  "no memory can be locked for it: raise the limit (ulimit -l, LimitMEMLOCK=)");
        return;
    }
    snprintf(version, sizeof(version), "%llu", (unsigned long long)got->seq);
    if (!xkey_open(&in->keys->rest, in->keys->rest.pub, got->data, got->data ? got->len : 0,
                   plain)) {
        flow_fail(&l->f, TRL_E_INTERNAL,
                  "%.120s: revision %s does not open: it was sealed with another key than that of "
                  "encryption_seed_file, or is damaged",
                  l->key, version);
    } else if (!l->want_value) {
        flow_done(&l->f, version);
    } else {
        memset(&s, 0, sizeof(s));
        s.struct_size = sizeof(s);
        s.value = (trl_bytes){plain, n};
        s.flags = utf8_valid(plain, n) ? 0 : TRL_SECRET_BINARY;
        s.version = trl_cstr(version);
        in->secret->done(l->f.op, &s);
        flow_free(&l->f);
    }
    in->secret->free(in->host->ctx, plain);
}

static void on_entry(struct flow *f, trl_status st, const trl_msg *m) {
    struct look *l = (struct look *)f;
    struct js_got got;
    js_got_parse(f->in->bucket, l->key, st, m, &got);
    if (got.st == TRL_E_NOTFOUND && l->seq) {
        flow_fail(f, TRL_E_NOTFOUND, "%.120s: bucket %.60s has no revision %llu of it", l->key,
                  f->in->bucket, (unsigned long long)l->seq);
    } else if (got.st == TRL_E_NOTFOUND) {
        flow_fail(f, TRL_E_NOTFOUND, "%.120s: bucket %.60s has no such key", l->key, f->in->bucket);
    } else if (got.st != TRL_OK) {
        flow_fail(f, got.st, "%.120s: %s", l->key, got.why);
    } else {
        answer(l, &got);
    }
    js_got_finish(&got);
}

static int is_granted(const struct js_got *got, const char *key, int *ret_bad) {
    json_t *list = json_loadb((const char *)got->data, got->data ? got->len : 0, 0, NULL), *one;
    size_t i;
    int yes = 0;
    *ret_bad = !json_is_array(list);
    json_array_foreach(list, i, one) {
        yes |= json_is_string(one) && strcmp(json_string_value(one), key) == 0;
    }
    json_decref(list);
    return yes;
}

static void on_grants(struct flow *f, trl_status st, const trl_msg *m) {
    struct look *l = (struct look *)f;
    struct js_got got;
    int bad = 0, yes;
    js_got_parse(f->in->state_bucket, l->entity, st, m, &got);
    yes = got.st == TRL_OK && is_granted(&got, l->key, &bad);
    js_got_finish(&got);
    if (bad) {
        flow_fail(f, TRL_E_UNAVAIL, "the grants of %.60s in bucket %.60s are not a JSON list",
                  l->entity, f->in->state_bucket);
    } else if (yes) {
        js_get(f, f->in->bucket, l->key, l->seq, on_entry);
    } else if (got.st == TRL_OK || got.st == TRL_E_NOTFOUND) {
        flow_fail(f, TRL_E_DENIED, "%.60s has no grant for %.60s: add_mapping gives one", l->entity,
                  l->key);
    } else {
        flow_fail(f, got.st, "%.120s: %s", l->key, got.why);
    }
}

/* 0: not a revision. */
static uint64_t revision(trl_str text) {
    uint64_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9' || __builtin_mul_overflow(n, (uint64_t)10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(text.ptr[i] - '0'), &n)) {
            return 0;
        }
    }
    return n;
}

static int refused(trl_inst *in, trl_op *op, const trl_secret_ref *ref) {
    const char *why = NULL;
    if (!kv_key_ok(ref->key)) {
        why = "a key has 1 to 250 of A-Z a-z 0-9 - _ / = . and no '.' at an end or beside another";
    } else if (ref->version.len && !revision(ref->version)) {
        why = "a version is a revision of the bucket: a number above 0";
    }
    if (why) {
        trl_op_fail(in->host, op, TRL_E_INVALID, why);
    }
    return why != NULL;
}

static void begin(trl_inst *in, trl_op *op, const trl_secret_ref *ref, int want_value) {
    struct look *l;
    if (refused(in, op, ref)) {
        return;
    }
    l = flow_new(in, sizeof(*l), op);
    l->f.finish = look_finish;
    l->want_value = want_value;
    l->key = dup_str(ref->key);
    l->seq = revision(ref->version);
    if (!ref->entity.len) {
        js_get(&l->f, in->bucket, l->key, l->seq, on_entry);
        return;
    }
    l->entity = dup_str(ref->entity);
    if (!kv_key_ok(ref->entity) || strchr(l->entity, '.')) {
        flow_fail(&l->f, TRL_E_DENIED, "what asks for it has no public key");
        return;
    }
    js_get(&l->f, in->state_bucket, l->entity, 0, on_grants);
}

static void fetch(trl_inst *in, trl_op *op, const trl_secret_ref *ref) {
    begin(in, op, ref, 1);
}

static void check(trl_inst *in, trl_op *op, const trl_secret_ref *ref) {
    begin(in, op, ref, 0);
}

uint8_t *seal_at_rest(const trl_inst *in, const void *value, size_t n) {
    uint8_t *box = x_alloc(n + XKEY_OVERHEAD);
    if (!xkey_seal(&in->keys->rest, in->keys->rest.pub, value, n, box)) {
        free(box);
        return NULL;
    }
    return box;
}

static void put_finish(struct flow *f) {
    free(((struct put *)f)->key);
}

static void on_put(struct flow *f, trl_status st, const trl_msg *m) {
    char why[200], version[24];
    uint64_t seq = 0;
    trl_status got = js_ack(st, m, &seq, why);
    if (st == TRL_E_INVALID) { /* the transport's own refusal */
        flow_fail(f, st, "%.120s: the NATS server takes no message of this size (max_payload)",
                  ((struct put *)f)->key);
    } else if (got != TRL_OK) {
        flow_fail(f, got, "%.120s: %s", ((struct put *)f)->key, why);
    } else {
        snprintf(version, sizeof(version), "%llu", (unsigned long long)seq);
        flow_done(f, version);
    }
}

static void put(trl_inst *in, trl_op *op, const trl_secret_ref *ref, const trl_secret *value) {
    struct put *p;
    uint8_t *box;
    char *subject;
    if (refused(in, op, ref)) {
        return;
    }
    if (ref->field.len || ref->version.len || value->value.len > TRL_SECRET_MAX_BYTES) {
        trl_op_fail(in->host, op, TRL_E_INVALID,
                    ref->field.len     ? "an entry of the bucket is one value: it has no fields"
                    : ref->version.len ? "a revision cannot be chosen"
                                       : "the value is larger than 1 MiB");
        return;
    }
    box = seal_at_rest(in, value->value.ptr, value->value.len);
    if (!box) {
        trl_op_fail(in->host, op, TRL_E_INTERNAL, "it cannot be sealed with this key");
        return;
    }
    p = flow_new(in, sizeof(*p), op);
    p->f.finish = put_finish;
    p->key = dup_str(ref->key);
    subject = text_of("%s$KV.%s.%s", in->put_prefix, in->bucket, p->key);
    flow_request(&p->f, subject, NULL, 0, (trl_bytes){box, value->value.len + XKEY_OVERHEAD},
                 on_put);
    free(subject);
    free(box);
}

static struct flow *flow_of(trl_inst *in, const trl_op *op) {
    struct flow *f = in->flows;
    while (f && f->op != op) {
        f = f->next;
    }
    return f;
}

static void cancel(trl_inst *in, trl_op *op) {
    struct flow *f = flow_of(in, op);
    if (op == in->start_op) {
        in->start_op = NULL;
        trl_op_fail(in->host, op, TRL_E_CANCELLED, "cancelled");
    } else if (f) {
        flow_fail(f, TRL_E_CANCELLED, "cancelled");
    }
}

static void resume(trl_inst *in, trl_op *op) {
    struct flow *f = flow_of(in, op);
    if (f && f->on_resume) {
        f->on_resume(f);
    }
}

void ops_stop(trl_inst *in) {
    while (in->flows) {
        flow_fail(in->flows, TRL_E_CANCELLED, "stopped");
    }
    in->ensuring = NULL;
}

static void info(trl_inst *in, trl_op *op) {
    json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:s}", "name", in->name, "topic",
                          in->topic, "bucket", in->bucket, "grants", in->state_bucket, "operations",
                          in->operations && in->keys->has_transit, "ready", in->ensured, "trouble",
                          in->said);
    char *text = x_checked(json_dumps(j, JSON_COMPACT));
    json_decref(j);
    in->host->op_done(op, TRL_OK, (trl_bytes){text, strlen(text)}, NULL);
    free(text);
}

const trl_secrets_v1 ops_table = {
    .struct_size = sizeof(ops_table),
    .flags = TRL_SX_VERSIONS | TRL_SX_MAPPED,
    .fetch = fetch,
    .check = check,
    .watch = watch_begin,
    .cancel = cancel,
    .resume = resume,
    .put = put,
    .list = list_begin,
    .info = info,
};
