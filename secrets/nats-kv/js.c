/* SPDX-License-Identifier: Apache-2.0
 *
 * JetStream by plain requests. What comes back are sealed boxes and metadata: no secrets in the
 * clear, so jansson may copy them.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "../../plugins/common/xmem.h"
#include "kv.h"

json_t *js_json(const trl_msg *m) {
    return m->payload.len ? json_loadb(m->payload.ptr, m->payload.len, 0, NULL) : NULL;
}

trl_status js_trouble(trl_status st, char why[200]) {
    if (st == TRL_E_NORESPONDER) {
        snprintf(why, 200,
                 "nobody answers for JetStream: is it enabled, and does the bucket exist?");
        return TRL_E_UNAVAIL;
    }
    if (st == TRL_E_UNAVAIL) {
        snprintf(why, 200, "there is no connection to the NATS server");
    } else {
        snprintf(why, 200, "JetStream did not answer in time");
        st = st == TRL_E_TIMEOUT ? st : TRL_E_UNAVAIL;
    }
    return st;
}

int64_t js_error(const json_t *v, char why[200]) {
    const json_t *e = json_object_get(v, "error");
    const char *text = json_string_value(json_object_get(e, "description"));
    int64_t code = json_integer_value(json_object_get(e, "err_code"));
    if (!v) {
        snprintf(why, 200, "JetStream's answer cannot be read");
        return -1;
    }
    if (!e) {
        return 0;
    }
    snprintf(why, 200, "%.150s (%lld)", text ? text : "error", (long long)code);
    return code ? code : -1;
}

void js_get(struct flow *f, const char *bucket, const char *key, uint64_t seq,
            void (*on_reply)(struct flow *f, trl_status st, const trl_msg *m)) {
    char *subject = text_of("%sSTREAM.MSG.GET.KV_%s", f->in->api, bucket);
    char *body = seq ? text_of("{\"seq\":%llu}", (unsigned long long)seq)
                     : text_of("{\"last_by_subj\":\"$KV.%s.%s\"}", bucket, key);
    flow_request(f, subject, NULL, 0, (trl_bytes){body, strlen(body)}, on_reply);
    free(body);
    free(subject);
}

/* base64 of a member, decoded; NULL when there is none. */
static uint8_t *decoded(const json_t *v, const char *name, size_t *ret_n) {
    const json_t *j = json_object_get(v, name);
    size_t n = json_string_length(j);
    uint8_t *out = x_alloc(n + 1);
    if (!json_is_string(j) || sodium_base642bin(out, n + 1, json_string_value(j), n, NULL, ret_n,
                                                NULL, sodium_base64_VARIANT_ORIGINAL) != 0) {
        free(out);
        return NULL;
    }
    return out;
}

/* A marker that the key was deleted, purged, or ran out of its time. */
static int is_marker(const json_t *msg) {
    size_t n = 0;
    uint8_t *h = decoded(msg, "hdrs", &n);
    int yes =
        h && (memmem(h, n, "KV-Operation: DEL", 17) || memmem(h, n, "KV-Operation: PURGE", 19) ||
              memmem(h, n, "Nats-Marker-Reason:", 19));
    free(h);
    return yes;
}

static void parse_message(const char *bucket, const char *key, const json_t *msg,
                          struct js_got *got) {
    char *want = text_of("$KV.%s.%s", bucket, key);
    const char *subject = json_string_value(json_object_get(msg, "subject"));
    got->seq = (uint64_t)json_integer_value(json_object_get(msg, "seq"));
    if (!subject || got->seq == 0) {
        got->st = TRL_E_UNAVAIL;
        snprintf(got->why, sizeof(got->why), "JetStream's answer cannot be read");
    } else if (strcmp(subject, want) != 0 || is_marker(msg)) {
        got->st = TRL_E_NOTFOUND;
    } else {
        got->data = decoded(msg, "data", &got->len); /* none: an empty message */
    }
    free(want);
}

void js_got_parse(const char *bucket, const char *key, trl_status st, const trl_msg *m,
                  struct js_got *got) {
    json_t *v;
    int64_t code;
    memset(got, 0, sizeof(*got));
    if (st != TRL_OK) {
        got->st = js_trouble(st, got->why);
        return;
    }
    v = js_json(m);
    code = js_error(v, got->why);
    if (code == JS_NO_MESSAGE) {
        got->st = TRL_E_NOTFOUND;
    } else if (code) {
        got->st = TRL_E_UNAVAIL;
    } else {
        parse_message(bucket, key, json_object_get(v, "message"), got);
    }
    json_decref(v);
}

void js_got_finish(struct js_got *got) {
    free(got->data);
    got->data = NULL;
}

trl_status js_ack(trl_status st, const trl_msg *m, uint64_t *ret_seq, char why[200]) {
    json_t *v;
    int64_t code;
    if (st != TRL_OK) {
        return js_trouble(st, why);
    }
    v = js_json(m);
    code = js_error(v, why);
    *ret_seq = (uint64_t)json_integer_value(json_object_get(v, "seq"));
    json_decref(v);
    if (!code && *ret_seq == 0) {
        snprintf(why, 200, "JetStream's answer cannot be read");
        return TRL_E_UNAVAIL;
    }
    return code == JS_WRONG_LAST || code == JS_PER_SUBJECT ? TRL_E_CONFLICT
           : code                                          ? TRL_E_UNAVAIL
                                                           : TRL_OK;
}
