/* SPDX-License-Identifier: Apache-2.0 */
#include "jwt.h"

#include <jansson.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reading {
    char *why;
    size_t why_size;
};

__attribute__((format(printf, 2, 3))) static int no(const struct reading *r, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->why, r->why_size, fmt, ap);
    va_end(ap);
    return 0;
}

/* The three segments; header.claims, which is what is signed, is the text before the last one. */
static int split(trl_str token, trl_str part[3]) {
    const char *end = token.ptr + token.len, *at = token.ptr;
    for (int i = 0; i < 3; i++) {
        const char *dot = memchr(at, '.', (size_t)(end - at));
        if ((i < 2) != (dot != NULL)) {
            return 0;
        }
        part[i].ptr = at;
        part[i].len = (size_t)((dot ? dot : end) - at);
        at = dot ? dot + 1 : end;
    }
    return 1;
}

/* One segment as a JSON object; owned. */
static json_t *segment(trl_str s) {
    size_t n = 0;
    json_t *v = NULL;
    char *text = malloc(s.len + 1);
    if (text && sodium_base642bin((unsigned char *)text, s.len, s.ptr, s.len, NULL, &n, NULL,
                                  sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0) {
        v = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
    }
    free(text);
    if (!json_is_object(v)) {
        json_decref(v);
        return NULL;
    }
    return v;
}

static int is(const json_t *object, const char *name, const char *want) {
    const char *s = json_string_value(json_object_get(object, name));
    return s && strcmp(s, want) == 0;
}

/* A member that may be absent or null, else must be of this type. */
static int maybe(const json_t *object, const char *name, json_type type) {
    const json_t *v = json_object_get(object, name);
    return !v || json_is_null(v) || json_typeof(v) == type;
}

static int all_strings(json_t *v) {
    const char *key;
    json_t *item;
    size_t i;
    if (json_is_array(v)) {
        json_array_foreach(v, i, item) {
            if (!json_is_string(item)) {
                return 0;
            }
        }
    } else {
        json_object_foreach(v, key, item) {
            if (!json_is_string(item)) {
                return 0;
            }
        }
    }
    return 1;
}

static int fits_component(const json_t *m) {
    const json_t *prov = json_object_get(m, "prov");
    return json_is_string(json_object_get(m, "hash")) && maybe(m, "tags", JSON_ARRAY) &&
           all_strings(json_object_get(m, "tags")) && maybe(m, "rev", JSON_INTEGER) &&
           maybe(m, "ver", JSON_STRING) && maybe(m, "call_alias", JSON_STRING) &&
           (!prov || json_is_boolean(prov));
}

static int fits_provider(const json_t *m) {
    json_t *hashes = json_object_get(m, "target_hashes");
    return json_is_string(json_object_get(m, "vendor")) && json_is_object(hashes) &&
           all_strings(hashes) && maybe(m, "rev", JSON_INTEGER) && maybe(m, "ver", JSON_STRING);
}

static int fits_host(const json_t *m) {
    return maybe(m, "labels", JSON_OBJECT) && all_strings(json_object_get(m, "labels"));
}

/* Those of the kinds that the metadata can be read as. */
static unsigned fitting(const json_t *claims, unsigned kinds) {
    const json_t *m = json_object_get(claims, "wascap");
    unsigned ok = 0;
    if (!m || json_is_null(m)) {
        return kinds;
    }
    if (!json_is_object(m) || !maybe(m, "name", JSON_STRING)) {
        return 0;
    }
    ok |= fits_component(m) ? JWT_COMPONENT : 0;
    ok |= fits_provider(m) ? JWT_PROVIDER : 0;
    ok |= fits_host(m) ? JWT_HOST : 0;
    return ok & kinds;
}

static int take_time(const json_t *claims, const char *name, int64_t none, int64_t *out) {
    const json_t *v = json_object_get(claims, name);
    *out = json_is_integer(v) ? json_integer_value(v) : none;
    return !v || json_is_null(v) || (json_is_integer(v) && *out >= 0);
}

static int take_key(const json_t *claims, const char *name, char out[NKEY_PUBLIC_LEN + 1],
                    uint8_t key[32]) {
    const json_t *v = json_object_get(claims, name);
    trl_str text = {json_string_value(v), json_string_length(v)};
    unsigned prefix;
    if (!text.ptr || !nkey_decode_public(text, &prefix, key) || prefix == NKEY_CURVE) {
        return 0;
    }
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return 1;
}

static int check_claims(const struct reading *r, const json_t *claims, unsigned kinds,
                        int64_t now_s, struct jwt *ret) {
    if (!take_time(claims, "exp", INT64_MAX, &ret->exp_s) ||
        !take_time(claims, "nbf", 0, &ret->nbf_s)) {
        return no(r, "exp and nbf must be times in seconds");
    }
    if (ret->exp_s < now_s) {
        return no(r, "the token has expired");
    }
    if (ret->nbf_s > now_s) {
        return no(r, "the token is not valid yet");
    }
    ret->kinds = fitting(claims, kinds);
    if (!ret->kinds) {
        return no(r, "the token's wascap metadata are not those of a %s",
                  kinds & JWT_HOST        ? "host"
                  : kinds == JWT_PROVIDER ? "provider"
                                          : "component or provider");
    }
    const json_t *name = json_object_get(json_object_get(claims, "wascap"), "name");
    if (json_string_length(name) < sizeof(ret->name) && json_string_value(name)) {
        memcpy(ret->name, json_string_value(name), json_string_length(name) + 1);
    }
    return 1;
}

static int verify(const struct reading *r, const trl_str part[3], const json_t *claims,
                  struct jwt *ret) {
    uint8_t key[32], sub[32], sig[crypto_sign_BYTES];
    size_t n = 0;
    if (!take_key(claims, "iss", ret->iss, key)) {
        return no(r, "the issuer (iss) is not a public key");
    }
    if (!take_key(claims, "sub", ret->sub, sub)) {
        return no(r, "the subject (sub) is not a public key");
    }
    if (sodium_base642bin(sig, sizeof(sig), part[2].ptr, part[2].len, NULL, &n, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
        n != sizeof(sig) ||
        crypto_sign_verify_detached(sig, (const unsigned char *)part[0].ptr,
                                    part[0].len + 1 + part[1].len, key) != 0) {
        return no(r, "the signature is not the issuer's");
    }
    return 1;
}

int jwt_verify(trl_str token, unsigned kinds, int64_t now_s, struct jwt *ret, char *why,
               size_t why_size) {
    struct reading r = {why, why_size};
    trl_str part[3];
    int ok = 0;
    memset(ret, 0, sizeof(*ret));
    if (token.len == 0 || token.len > JWT_MAX_BYTES || !split(token, part)) {
        return no(&r, "not a token of three segments");
    }
    json_t *header = segment(part[0]), *claims = segment(part[1]);
    if (!header || !claims) {
        no(&r, "the token's %s cannot be read", header ? "claims" : "header");
    } else if (!is(header, "typ", "jwt") || !is(header, "alg", "Ed25519")) {
        no(&r, "the token's header is not of type jwt and algorithm Ed25519");
    } else {
        ok = verify(&r, part, claims, ret) && check_claims(&r, claims, kinds, now_s, ret);
    }
    json_decref(header);
    json_decref(claims);
    return ok;
}
