/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as what comes from others on the way to a secret: JSON read in place agrees with
 * jansson, a token is refused with a reason or has a good signature, claims signed by the target
 * itself are taken apart without harm, a box does not open.
 */
#include <jansson.h>
#include <sodium.h>
#include <string.h>

#include "../../plugins/common/jpull.h"
#include "fuzz.h"
#include "jwt.h"
#include "sjson.h"
#include "xkey.h"

static void as_json(trl_str text) {
    static const char *const names[] = {"k", "string_secret", "a", ""};
    for (int i = 0; i < 4; i++) {
        trl_str v = {NULL, 0};
        size_t n = 0;
        if (sjson_member(text, (trl_str){names[i], strlen(names[i])}, &v) != SJSON_OK) {
            continue;
        }
        json_t *j = json_loadb(text.ptr, text.len, JSON_ALLOW_NUL, NULL);
        uint8_t *out = malloc(v.len);
        const json_t *one = json_object_get(j, names[i]);
        HOLDS(v.len > 0 && v.ptr >= text.ptr && v.ptr + v.len <= text.ptr + text.len);
        if (j && sjson_is_string(v)) { /* jansson refuses numbers out of its range */
            HOLDS(jpull_decode(v, (char *)out, &n) && n == json_string_length(one));
            HOLDS(memcmp(out, json_string_value(one), n) == 0);
        } else if (sjson_bytes(v, out, &n)) {
            HOLDS(n <= v.len / 2 && (!j || json_array_size(one) == n));
        }
        free(out);
        json_decref(j);
    }
}

static void as_token(trl_str text) {
    struct jwt j;
    char why[160] = "";
    for (unsigned kinds = 1; kinds < 8; kinds++) {
        int ok = jwt_verify(text, kinds, 1700000000, &j, why, sizeof(why));
        HOLDS(ok ? (j.kinds & ~kinds) == 0 && j.kinds && strlen(j.sub) == 56 : why[0] != '\0');
    }
}

/* The claims are the input, with an issuer in front of them and a signature that is right. */
static void as_claims(const uint8_t *data, size_t size) {
    static const char header[] = "eyJ0eXAiOiJqd3QiLCJhbGciOiJFZDI1NTE5In0.";
    static const uint8_t seed[32] = {7};
    uint8_t pub[32], secret[64], sig[64];
    char iss[NKEY_PUBLIC_LEN + 1];
    size_t cap = sodium_base64_ENCODED_LEN(size + 200, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    char *claims = malloc(size + 200), *token = malloc(sizeof(header) + cap + 100), *at;
    int n;
    crypto_sign_seed_keypair(pub, secret, seed);
    nkey_encode_public(NKEY_ACCOUNT, pub, iss);
    n = snprintf(claims, 200, "{\"iss\":\"%s\",\"sub\":\"%s\",", iss, iss);
    memcpy(claims + n, data, size);
    memcpy(token, header, sizeof(header));
    at = token + sizeof(header) - 1;
    sodium_bin2base64(at, cap, (const uint8_t *)claims, (size_t)n + size,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    at += strlen(at);
    crypto_sign_detached(sig, NULL, (const uint8_t *)token, (size_t)(at - token), secret);
    *at++ = '.';
    sodium_bin2base64(at, 90, sig, sizeof(sig), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    as_token((trl_str){token, strlen(token)});
    free(token);
    free(claims);
}

static void as_box(const uint8_t *data, size_t size) {
    static const struct xkey key = {{1}, {9}};
    uint8_t *out = malloc(size + 1);
    HOLDS(!xkey_open(&key, key.pub, data, size, out));
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    trl_str text = {(const char *)data, size};
    uint8_t key[32];
    unsigned prefix;
    if (sodium_init() < 0 || size > 65536) {
        return 0;
    }
    as_json(text);
    as_token(text);
    as_claims(data, size);
    as_box(data, size);
    nkey_decode_public(text, &prefix, key);
    nkey_decode_seed(text, &prefix, key);
    return 0;
}
