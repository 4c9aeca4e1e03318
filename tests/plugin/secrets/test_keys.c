/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys, boxes and tokens: fixed vectors, damaged ones, and the recorded requests and replies of a
 * wasmCloud host opened, verified and sealed again byte for byte.
 */
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../unit/cmocka_all.h"
#include "jwt.h"
#include "xkey.h"

#define HOST_SEED   "SNAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H2D5U"
#define HOST_PUBLIC "NAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RSWB"
#define BOX_SEED    "SXAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H74KM"
#define BOX_PUBLIC  "XCHUBRNNW2HSKYSK4WZBJ2TWPJXMSTMCTU6XWXQ22G5G6PRBHAUF76G7"
#define BOX_OTHER   "XA2YA4WWGZMIBUNO5IZJVX4REE4DQUPNEGRI4O3V5FS5BUWNCZRFI2LE"
#define BOX_VECTOR                                                                                 \
    "786b76316465666768696a6b6c6d6e6f707172737475767778797a7b"                                     \
    "2d4fbcfdd8f949224f669ed879514e179ea103b1d86d418acdd23b66175dcaf4346879"
#define NOW 1700000000

static trl_str S(const char *c) {
    return (trl_str){c, strlen(c)};
}

static void counted_bytes(uint8_t *p, size_t n, unsigned from) {
    for (size_t i = 0; i < n; i++) {
        p[i] = (uint8_t)(from + i);
    }
}

static void key_of(unsigned from, struct xkey *out) {
    char seed[NKEY_SEED_LEN + 1];
    uint8_t raw[32];
    counted_bytes(raw, sizeof(raw), from);
    nkey_encode_seed(NKEY_CURVE, raw, seed);
    assert_true(xkey_from_seed(S(seed), out));
}

static void test_vectors(void **state) {
    (void)state;
    uint8_t raw[32], back[32];
    char text[NKEY_SEED_LEN + 1];
    unsigned prefix;
    struct xkey k;
    counted_bytes(raw, sizeof(raw), 0);
    nkey_encode_seed(NKEY_SERVER, raw, text);
    assert_string_equal(text, HOST_SEED);
    assert_true(nkey_public_of_seed(S(HOST_SEED), text));
    assert_string_equal(text, HOST_PUBLIC);
    assert_true(nkey_decode_seed(S(HOST_SEED), &prefix, back));
    assert_int_equal(prefix, NKEY_SERVER);
    assert_memory_equal(raw, back, 32);
    nkey_encode_seed(NKEY_CURVE, raw, text);
    assert_string_equal(text, BOX_SEED);
    assert_true(xkey_from_seed(S(BOX_SEED), &k));
    xkey_public_text(k.pub, text);
    assert_string_equal(text, BOX_PUBLIC);
    assert_true(xkey_parse_public(S(BOX_PUBLIC), back));
    assert_memory_equal(back, k.pub, 32);
    key_of(0x20, &k);
    xkey_public_text(k.pub, text);
    assert_string_equal(text, BOX_OTHER);
}

/* Every single character changed, and texts of other kinds and lengths. */
static void test_bad_keys(void **state) {
    (void)state;
    uint8_t raw[32];
    unsigned prefix;
    struct xkey k;
    char seed[] = HOST_SEED, pub[] = HOST_PUBLIC, text[NKEY_PUBLIC_LEN + 1];
    for (size_t i = 0; i < NKEY_SEED_LEN; i++) {
        char was = seed[i];
        seed[i] = was == 'A' ? 'B' : 'A';
        assert_false(nkey_decode_seed(S(seed), &prefix, raw));
        seed[i] = '1';
        assert_false(nkey_decode_seed(S(seed), &prefix, raw));
        seed[i] = was;
    }
    for (size_t i = 0; i < NKEY_PUBLIC_LEN; i++) {
        char was = pub[i];
        pub[i] = was == 'A' ? 'B' : 'A';
        assert_false(nkey_decode_public(S(pub), &prefix, raw));
        pub[i] = '\0';
        assert_false(nkey_decode_public((trl_str){pub, NKEY_PUBLIC_LEN}, &prefix, raw));
        pub[i] = was;
    }
    assert_false(nkey_decode_public((trl_str){pub, NKEY_PUBLIC_LEN - 1}, &prefix, raw));
    assert_false(nkey_decode_public((trl_str){NULL, 0}, &prefix, raw));
    assert_false(nkey_decode_seed(S(HOST_PUBLIC), &prefix, raw));
    assert_false(xkey_from_seed(S(HOST_SEED), &k));
    assert_false(xkey_parse_public(S(HOST_PUBLIC), raw));
    assert_false(nkey_public_of_seed(S(BOX_SEED), text));
}

static void test_box(void **state) {
    (void)state;
    static const char plain[] = "{\"hello\":\"lattice\"}";
    uint8_t nonce[24], box[44 + sizeof(plain)], want[sizeof(box)], out[sizeof(plain)];
    size_t n = strlen(plain), n_want = 0;
    struct xkey from, to;
    key_of(0, &from);
    key_of(0x20, &to);
    counted_bytes(nonce, sizeof(nonce), 0x64);
    assert_true(xkey_seal_with(&from, to.pub, nonce, plain, n, box));
    sodium_hex2bin(want, sizeof(want), BOX_VECTOR, strlen(BOX_VECTOR), NULL, &n_want, NULL);
    assert_int_equal(n_want, n + XKEY_OVERHEAD);
    assert_memory_equal(box, want, n_want);
    assert_true(xkey_open(&to, from.pub, box, n_want, out));
    assert_memory_equal(out, plain, n);
    /* any bit that is not what it was */
    for (size_t i = 0; i < n_want; i++) {
        box[i] ^= 1;
        assert_false(xkey_open(&to, from.pub, box, n_want, out));
        box[i] ^= 1;
    }
    for (size_t i = 0; i < n_want; i++) {
        assert_false(xkey_open(&to, from.pub, box, i, out));
    }
    assert_false(xkey_open(&from, from.pub, box, n_want, out)); /* for somebody else */
    assert_false(xkey_open(&to, to.pub, box, n_want, out));     /* of somebody else  */
    /* nothing in it; a fresh key; another nonce each time */
    xkey_generate(&from);
    assert_true(xkey_seal(&from, to.pub, "", 0, box));
    assert_true(xkey_open(&to, from.pub, box, XKEY_OVERHEAD, out));
    assert_true(xkey_seal(&from, to.pub, plain, n, box));
    assert_true(xkey_seal(&from, to.pub, plain, n, want));
    assert_memory_not_equal(box, want, n_want);
    memset(nonce, 0, sizeof(nonce));
    memset(out, 0, sizeof(out));
    assert_false(xkey_seal(&from, (uint8_t[32]){0}, plain, n, box)); /* a key that hides nothing */
}

/* A token made by the test. sub: NULL for the host's. */
static char *token(const char *header, const char *claims) {
    char *out = calloc(1, 8192), *at = out;
    uint8_t raw[32], pub[32], secret[64], sig[64];
    unsigned prefix;
    const char *parts[2] = {header, claims};
    for (int i = 0; i < 2; i++) {
        sodium_bin2base64(at, (size_t)(out + 8000 - at), (const unsigned char *)parts[i],
                          strlen(parts[i]), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        at += strlen(at);
        *at++ = '.';
    }
    nkey_decode_seed(S(HOST_SEED), &prefix, raw);
    crypto_sign_seed_keypair(pub, secret, raw);
    crypto_sign_detached(sig, NULL, (const unsigned char *)out, (size_t)(at - 1 - out), secret);
    sodium_bin2base64(at, (size_t)(out + 8192 - at), sig, sizeof(sig),
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    return out;
}

#define HEADER  "{\"typ\":\"jwt\",\"alg\":\"Ed25519\"}"
#define ISS_SUB "\"iss\":\"" HOST_PUBLIC "\",\"sub\":\"" HOST_PUBLIC "\""

static int check(const char *header, const char *claims, unsigned kinds, struct jwt *j,
                 const char *why_part) {
    char why[160] = "", *t = token(header, claims);
    int ok = jwt_verify(S(t), kinds, NOW, j, why, sizeof(why));
    if (!ok && !(why_part && strstr(why, why_part))) {
        fail_msg("%s: %s", claims, why);
    }
    free(t);
    return ok;
}

static void test_tokens(void **state) {
    (void)state;
    struct jwt j;
    assert_true(check(HEADER,
                      "{" ISS_SUB ",\"iat\":1,\"jti\":\"x\",\"wascap\":{\"name\":\"quiet-river\","
                      "\"labels\":{\"self_signed\":\"true\"}}}",
                      JWT_HOST, &j, NULL));
    assert_string_equal(j.iss, HOST_PUBLIC);
    assert_string_equal(j.sub, HOST_PUBLIC);
    assert_string_equal(j.name, "quiet-river");
    assert_int_equal(j.kinds, JWT_HOST);
    assert_true(j.exp_s == INT64_MAX && j.nbf_s == 0);
    /* no metadata: fits everything */
    assert_true(check("{\"alg\":\"Ed25519\",\"typ\":\"jwt\",\"x\":1}", "{" ISS_SUB "}",
                      JWT_COMPONENT | JWT_PROVIDER, &j, NULL));
    assert_int_equal(j.kinds, JWT_COMPONENT | JWT_PROVIDER);
    assert_true(
        check(HEADER, "{" ISS_SUB ",\"exp\":1700000000,\"nbf\":1700000000}", JWT_HOST, &j, NULL));
    assert_true(check(HEADER, "{" ISS_SUB ",\"wascap\":{\"hash\":\"AB\",\"prov\":false}}",
                      JWT_COMPONENT | JWT_PROVIDER, &j, NULL));
    assert_int_equal(j.kinds, JWT_COMPONENT);
    assert_true(check(HEADER,
                      "{" ISS_SUB ",\"wascap\":{\"vendor\":\"v\",\"target_hashes\":{\"a\":\"b\"}}}",
                      JWT_COMPONENT | JWT_PROVIDER, &j, NULL));
    assert_int_equal(j.kinds, JWT_PROVIDER);
}

static void test_bad_tokens(void **state) {
    (void)state;
    static const struct {
        const char *header, *claims, *why;
    } bad[] = {
        {"{\"typ\":\"jwt\",\"alg\":\"none\"}", "{" ISS_SUB "}", "header"},
        {"{\"typ\":\"JWT\",\"alg\":\"Ed25519\"}", "{" ISS_SUB "}", "header"},
        {"{\"typ\":1,\"alg\":\"Ed25519\"}", "{" ISS_SUB "}", "header"},
        {"[]", "{" ISS_SUB "}", "header cannot"},
        {HEADER, "[]", "claims cannot"},
        {HEADER, "{" ISS_SUB ",\"sub\":\"x\"}", "claims cannot"},
        {HEADER, "{\"sub\":\"" HOST_PUBLIC "\"}", "issuer"},
        {HEADER, "{\"iss\":\"\",\"sub\":\"" HOST_PUBLIC "\"}", "issuer"},
        {HEADER, "{\"iss\":\"" BOX_PUBLIC "\",\"sub\":\"" HOST_PUBLIC "\"}", "issuer"},
        {HEADER, "{\"iss\":\"" HOST_PUBLIC "\"}", "subject"},
        {HEADER, "{\"iss\":\"" HOST_PUBLIC "\",\"sub\":\"any.thing\"}", "subject"},
        {HEADER, "{" ISS_SUB ",\"exp\":1699999999}", "expired"},
        {HEADER, "{" ISS_SUB ",\"exp\":0}", "expired"},
        {HEADER, "{" ISS_SUB ",\"nbf\":1700000001}", "not valid yet"},
        {HEADER, "{" ISS_SUB ",\"exp\":\"soon\"}", "seconds"},
        {HEADER, "{" ISS_SUB ",\"nbf\":-1}", "seconds"},
        {HEADER, "{" ISS_SUB ",\"wascap\":{}}", "metadata"},
        {HEADER, "{" ISS_SUB ",\"wascap\":7}", "metadata"},
        {HEADER, "{" ISS_SUB ",\"wascap\":{\"vendor\":\"v\"}}", "metadata"},
        {HEADER, "{" ISS_SUB ",\"wascap\":{\"hash\":\"AB\",\"prov\":null}}", "metadata"},
        {HEADER, "{" ISS_SUB ",\"wascap\":{\"hash\":\"AB\",\"tags\":[1]}}", "metadata"},
        {HEADER, "{" ISS_SUB ",\"wascap\":{\"hash\":\"AB\",\"name\":1}}", "metadata"},
    };
    struct jwt j;
    char why[160], *t = token(HEADER, "{" ISS_SUB "}");
    size_t n = strlen(t);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(
            check(bad[i].header, bad[i].claims, JWT_COMPONENT | JWT_PROVIDER, &j, bad[i].why));
    }
    assert_false(check(HEADER, "{" ISS_SUB ",\"wascap\":{\"labels\":{\"a\":1}}}", JWT_HOST, &j,
                       "of a host"));
    assert_true(jwt_verify(S(t), JWT_HOST, NOW, &j, why, sizeof(why)));
    for (size_t i = 0; i < n; i++) { /* cut anywhere; changed anywhere */
        char was = t[i];
        assert_false(jwt_verify((trl_str){t, i}, JWT_HOST, NOW, &j, why, sizeof(why)));
        t[i] = was == 'A' ? 'B' : 'A';
        assert_false(jwt_verify((trl_str){t, n}, JWT_HOST, NOW, &j, why, sizeof(why)));
        t[i] = was;
    }
    free(t);
    t = token(HEADER, "{" ISS_SUB "}");
    strncat(t, ".x", 3);
    assert_false(jwt_verify(S(t), JWT_HOST, NOW, &j, why, sizeof(why)));
    free(t);
}

struct recorded {
    struct xkey server, reply;
    uint8_t host[32], box[8192], nonce[24];
    size_t box_len;
    int have_box, opened, resealed, tokens;
};

static const char *text_of(const json_t *v, const char *name) {
    const char *s = json_string_value(json_object_get(v, name));
    return s ? s : "";
}

static int take_box(struct recorded *r, const json_t *line, const char *header) {
    const char *key = text_of(json_object_get(line, "headers"), header);
    const char *b64 = text_of(json_object_get(line, "data"), "b64");
    return *key && xkey_parse_public(S(key), r->host) &&
           sodium_base642bin(r->box, sizeof(r->box), b64, strlen(b64), NULL, &r->box_len, NULL,
                             sodium_base64_VARIANT_ORIGINAL) == 0;
}

static void one_request(struct recorded *r, const json_t *line) {
    char plain[8192], why[160];
    struct jwt j;
    assert_true(r->have_box);
    assert_true(xkey_open(&r->server, r->host, r->box, r->box_len, (uint8_t *)plain));
    json_t *have = json_loadb(plain, r->box_len - XKEY_OVERHEAD, 0, NULL);
    json_t *context = json_object_get(have, "context");
    assert_true(json_equal(have, json_object_get(line, "request")));
    assert_true(jwt_verify(S(text_of(context, "entity_jwt")), JWT_COMPONENT | JWT_PROVIDER,
                           1795230000, &j, why, sizeof(why)));
    assert_true(j.sub[0] == (j.kinds == JWT_PROVIDER ? 'V' : 'M'));
    assert_true(
        jwt_verify(S(text_of(context, "host_jwt")), JWT_HOST, 1795230000, &j, why, sizeof(why)));
    assert_string_equal(j.sub, HOST_PUBLIC);
    r->opened++;
    r->tokens += 2;
    json_decref(have);
}

/* What the recorded backend sent can be made again from its keys, and opened. */
static void one_reply(struct recorded *r, const json_t *line) {
    const char *key = text_of(json_object_get(line, "headers"), "Server-Response-Xkey");
    const char *b64 = text_of(json_object_get(line, "data"), "b64");
    uint8_t box[4096], again[4096], plain[4096];
    char text[NKEY_PUBLIC_LEN + 1];
    struct xkey from;
    size_t n = 0;
    if (!*key || sodium_base642bin(box, sizeof(box), b64, strlen(b64), NULL, &n, NULL,
                                   sodium_base64_VARIANT_ORIGINAL) != 0) {
        return;
    }
    xkey_public_text(r->reply.pub, text);
    /* crypto_box is symmetric in the two secrets: what R sealed to K, R can open. */
    from = r->reply;
    if (strcmp(key, text) == 0 && xkey_open(&from, r->host, box, n, plain)) {
        assert_true(xkey_seal_with(&from, r->host, r->nonce, plain, n - XKEY_OVERHEAD, again));
        assert_memory_equal(box, again, n);
        r->resealed++;
    }
}

static void test_recording(void **state) {
    (void)state;
    const char *dir = getenv("TRELLIS_FIXTURES");
    char path[512], *line = NULL;
    size_t cap = 0;
    struct recorded r = {.have_box = 0};
    FILE *f = NULL;
    if (dir) {
        snprintf(path, sizeof(path), "%s/recordings/J-secrets.jsonl", dir);
        f = fopen(path, "r");
    }
    if (!f) {
        skip();
    }
    key_of(0x20, &r.server);
    key_of(0x40, &r.reply);
    counted_bytes(r.nonce, sizeof(r.nonce), 0);
    while (getline(&line, &cap, f) > 0) {
        json_t *v = json_loads(line, JSON_ALLOW_NUL, NULL);
        assert_non_null(v);
        if (take_box(&r, v, "WasmCloud-Host-Xkey")) {
            r.have_box = 1;
        } else if (json_object_get(v, "request")) {
            one_request(&r, v);
        } else {
            one_reply(&r, v);
        }
        json_decref(v);
    }
    free(line);
    fclose(f);
    printf("%d requests opened, %d tokens verified, %d replies sealed again\n", r.opened, r.tokens,
           r.resealed);
    assert_true(r.opened >= 20);
    assert_true(r.resealed >= 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),    cmocka_unit_test(test_bad_keys),
        cmocka_unit_test(test_box),        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_bad_tokens), cmocka_unit_test(test_recording),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
