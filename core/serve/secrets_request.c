/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/secrets_request.h"

#include <sodium.h>
#include <string.h>

#include "base/mem.h"
#include "codec/json.h"

#define REQUEST_MAX (256u * 1024u)

void secrets_error_write(enum secrets_error e, str why, struct buf *out) {
    static const struct {
        const char *name;
        bool text;
    } errors[] = {
        [SECRETS_OK] = {"", false},
        [SECRETS_INVALID_ENTITY_JWT] = {"InvalidEntityJWT", true},
        [SECRETS_INVALID_HOST_JWT] = {"InvalidHostJWT", true},
        [SECRETS_NOT_FOUND] = {"SecretNotFound", false},
        [SECRETS_INVALID_XKEY] = {"InvalidXKey", false},
        [SECRETS_ENCRYPTION] = {"EncryptionError", false},
        [SECRETS_DECRYPTION] = {"DecryptionError", false},
        [SECRETS_UPSTREAM] = {"UpstreamError", true},
        [SECRETS_UNAUTHORIZED] = {"Unauthorized", false},
        [SECRETS_INVALID_REQUEST] = {"InvalidRequest", false},
        [SECRETS_INVALID_PAYLOAD] = {"InvalidPayload", false},
        [SECRETS_INVALID_HEADERS] = {"InvalidHeaders", false},
        [SECRETS_POLICY] = {"PolicyError", true},
        [SECRETS_OTHER] = {"Other", true},
    };
    struct jw w;
    jw_init(&w, out, false);
    jw_object(&w);
    jw_key(&w, "error");
    if (errors[e].text) {
        jw_object(&w);
        jw_kv(&w, errors[e].name, why);
        jw_end_object(&w);
    } else {
        jw_cstr(&w, errors[e].name);
    }
    jw_end_object(&w);
}

static bool text_or_null(const struct node *o, const char *key, bool must, struct arena *a,
                         str *ret) {
    const struct node *n = node_get(o, key);
    *ret = STR_NONE;
    if (node_is_null(n)) {
        return !must;
    }
    if (n->type != NODE_STRING || (must && n->text.len == 0)) {
        return false;
    }
    *ret = arena_str(a, n->text);
    return true;
}

/* The reference's policy: a text that holds {"type":...,"properties":{...}}. */
static bool read_policy(str text, struct arena *a, str *ret) {
    struct node *root = NULL;
    struct buf b = BUF_INIT;
    struct jw w;
    if (text.len == 0) {
        return true;
    }
    if (json_parse(text, a, &root, NULL) < 0 || root->type != NODE_OBJECT) {
        return false;
    }
    const struct node *p = node_get(root, "properties");
    if (node_is_null(p)) {
        return true;
    }
    if (p->type != NODE_OBJECT) {
        return false;
    }
    jw_init(&w, &b, false);
    jw_node(&w, p);
    *ret = arena_str(a, buf_str(&b));
    buf_finish(&b);
    return true;
}

static enum secrets_error read_tokens(const struct node *context, int64_t now_s, struct arena *a,
                                      struct secrets_get *ret, str *ret_why) {
    char why[200] = "";
    str entity = node_text(context, "entity_jwt", STR_NONE);
    str host = node_text(context, "host_jwt", STR_NONE);
    if (!jwt_verify(entity, JWT_COMPONENT | JWT_PROVIDER, now_s, &ret->entity, why, sizeof(why))) {
        *ret_why = arena_str(a, str_c(why));
        return SECRETS_INVALID_ENTITY_JWT;
    }
    if (!jwt_verify(host, JWT_HOST, now_s, &ret->host, why, sizeof(why))) {
        *ret_why = arena_str(a, str_c(why));
        return SECRETS_INVALID_HOST_JWT;
    }
    return SECRETS_OK;
}

static enum secrets_error read_request(str plain, int64_t now_s, struct arena *a,
                                       struct secrets_get *ret, str *ret_why) {
    struct node *root = NULL;
    if (json_parse(plain, a, &root, NULL) < 0 || root->type != NODE_OBJECT) {
        return SECRETS_INVALID_REQUEST;
    }
    const struct node *context = node_get(root, "context");
    const struct node *app = node_get(context, "application");
    str policy = STR_NONE;
    if (!text_or_null(root, "key", true, a, &ret->key) ||
        !text_or_null(root, "field", false, a, &ret->field) ||
        !text_or_null(root, "version", false, a, &ret->version) || !context ||
        context->type != NODE_OBJECT || !text_or_null(app, "name", false, a, &ret->app) ||
        !text_or_null(app, "policy", false, a, &policy)) {
        return SECRETS_INVALID_REQUEST;
    }
    enum secrets_error e = read_tokens(context, now_s, a, ret, ret_why);
    if (e == SECRETS_OK && !read_policy(policy, a, &ret->properties)) {
        *ret_why = STR("the policy of the reference is no JSON object with properties");
        e = SECRETS_POLICY;
    }
    return e;
}

enum secrets_error secrets_get_open(const struct xkey *transit, str body, bool has_headers,
                                    str xkey_header, int64_t now_s, struct arena *a,
                                    struct secrets_get *ret, str *ret_why) {
    memset(ret, 0, sizeof(*ret));
    *ret_why = STR_NONE;
    if (body.len == 0 || body.len > REQUEST_MAX) {
        return SECRETS_INVALID_PAYLOAD;
    }
    if (!has_headers) {
        return SECRETS_INVALID_HEADERS;
    }
    if (!xkey_header.ptr || !xkey_parse_public(xkey_header, ret->host_xkey)) {
        return SECRETS_INVALID_XKEY;
    }
    if (body.len < XKEY_OVERHEAD) {
        return SECRETS_DECRYPTION;
    }
    size_t n = body.len - XKEY_OVERHEAD;
    uint8_t *plain = mem_alloc(n + 1);
    enum secrets_error e = SECRETS_DECRYPTION;
    if (xkey_open(transit, ret->host_xkey, body.ptr, body.len, plain)) {
        e = read_request(str_n((const char *)plain, n), now_s, a, ret, ret_why);
    }
    sodium_memzero(plain, n + 1);
    mem_free(plain);
    return e;
}
