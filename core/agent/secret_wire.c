/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/secret_wire.h"

#include "base/mem.h"
#include "codec/json.h"
#include "sjson.h"

#define POLICY_TYPE "properties.secret.wasmcloud.dev/v1alpha1"

static void some(struct jw *w, const char *key, str value) {
    jw_key(w, key);
    if (value.len) {
        jw_str(w, value);
    } else {
        jw_null(w);
    }
}

void secret_get_write(const struct secret_get *q, struct buf *out) {
    struct buf policy = BUF_INIT;
    struct jw w;
    jw_init(&w, &policy, false);
    jw_object(&w);
    jw_kv(&w, "type", STR(POLICY_TYPE));
    jw_key(&w, "properties");
    jw_raw(&w, q->properties.len ? q->properties : STR("{}"));
    jw_end_object(&w);
    jw_init(&w, out, false);
    jw_object(&w);
    jw_kv(&w, "key", q->key);
    some(&w, "field", q->field);
    some(&w, "version", q->version);
    jw_key(&w, "context");
    jw_object(&w);
    jw_kv(&w, "entity_jwt", q->entity_jwt);
    jw_kv(&w, "host_jwt", q->host_jwt);
    jw_key(&w, "application");
    jw_object(&w);
    some(&w, "name", q->app);
    jw_kv(&w, "policy", buf_str(&policy));
    jw_end_object(&w);
    jw_end_object(&w);
    jw_end_object(&w);
    buf_finish(&policy);
}

static bool there(str object, const char *name, str *ret) {
    return sjson_member(object, str_c(name), ret) == SJSON_OK && !sjson_is_null(*ret);
}

bool secret_got_read(str opened, char *to, struct arena *a, struct secret_got *ret) {
    str secret, version, value;
    *ret = (struct secret_got){.value = to};
    if (!there(opened, "secret", &secret) || !there(secret, "version", &version)) {
        return false;
    }
    char *text = arena_alloc(a, version.len + 1);
    if (!sjson_text(version, text, &ret->version.len)) {
        return false;
    }
    ret->version.ptr = text;
    if (there(secret, "string_secret", &value)) {
        return sjson_text(value, to, &ret->n);
    }
    ret->binary = true;
    return there(secret, "binary_secret", &value) && sjson_bytes(value, (uint8_t *)to, &ret->n);
}

/* The protocol's errors, and what they mean to somebody who waits for a secret. */
static const struct refusal {
    const char *name;
    trl_status st;
    const char *text;
    bool keys;
} refusals[] = {
    {"SecretNotFound", TRL_E_NOTFOUND, "it has no such key, field or version", false},
    {"Unauthorized", TRL_E_DENIED, "unauthorized", false},
    {"InvalidEntityJWT", TRL_E_DENIED, "the token of the unit is not valid", false},
    {"InvalidHostJWT", TRL_E_DENIED, "the token of this host is not valid", false},
    {"PolicyError", TRL_E_UNAVAIL, "policies cannot be asked", false},
    {"UpstreamError", TRL_E_UNAVAIL, "its backend cannot give it", false},
    {"InvalidRequest", TRL_E_INVALID, "the reference makes no sense there", false},
    {"InvalidPayload", TRL_E_INTERNAL, "it does not understand the request", false},
    {"InvalidHeaders", TRL_E_INTERNAL, "it does not understand the request's headers", false},
    {"InvalidXKey", TRL_E_INTERNAL, "it does not take the key of the request", true},
    {"DecryptionError", TRL_E_UNAVAIL, "it cannot open the request", true},
    {"EncryptionError", TRL_E_UNAVAIL, "it cannot seal its answer", false},
    {"Other", TRL_E_UNAVAIL, "it cannot answer", false},
};

/* One line, whatever somebody else wrote. */
static str line_of(str s, struct arena *a) {
    size_t n = s.len < SECRET_REFUSAL_MAX ? s.len : SECRET_REFUSAL_MAX;
    while (n < s.len && n > 0 && ((unsigned char)s.ptr[n] & 0xc0u) == 0x80u) {
        n--; /* no half characters */
    }
    char *to = arena_alloc(a, n + 1);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        to[i] = (char)(c < 0x20u || c == 0x7fu ? ' ' : c);
    }
    return str_n(to, n);
}

trl_status secret_refusal_read(str body, struct arena *a, str *ret_why, bool *ret_keys) {
    struct node *root = NULL;
    bool ok = json_parse(body, a, &root, NULL) == 0 && root->type == NODE_OBJECT;
    const struct node *e = ok ? node_get(root, "error") : NULL;
    str name = e && e->type == NODE_STRING ? e->text : STR_NONE, text = STR_NONE;
    if (e && e->type == NODE_OBJECT && e->n == 1) {
        name = e->members[0].key;
        text = e->members[0].value->type == NODE_STRING ? e->members[0].value->text : STR_NONE;
    }
    *ret_keys = false;
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        const struct refusal *r = &refusals[i];
        if (str_is(name, r->name)) {
            str more = line_of(text, a);
            *ret_keys = r->keys;
            *ret_why = more.len ? arena_printf(a, "%s: %.*s", r->text, PSTR(more)) : str_c(r->text);
            return r->st;
        }
    }
    *ret_why = name.len ? arena_printf(a, "it answers with an error that nobody knows: %.*s",
                                       PSTR(line_of(name, a)))
                        : STR("its answer is no answer of this protocol");
    return TRL_E_UNAVAIL;
}
