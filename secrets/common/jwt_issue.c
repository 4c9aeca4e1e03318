/* SPDX-License-Identifier: Apache-2.0 */
#include "jwt_issue.h"

#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define HEADER "{\"typ\":\"jwt\",\"alg\":\"Ed25519\"}"

/* The members that readers insist on. What runs is no module that could be hashed. */
static json_t *metadata(const struct jwt_claims *c) {
    return c->kind == JWT_HOST
               ? json_pack("{s:s%, s:{s:s}}", "name", c->name.ptr ? c->name.ptr : "", c->name.len,
                           "labels", "self_signed", "true")
           : c->kind == JWT_PROVIDER
               ? json_pack("{s:s%, s:s, s:{}}", "name", c->name.ptr ? c->name.ptr : "", c->name.len,
                           "vendor", "trellis", "target_hashes")
               : json_pack("{s:s%, s:s}", "name", c->name.ptr ? c->name.ptr : "", c->name.len,
                           "hash", "");
}

static char *claims_text(const struct jwt_claims *c) {
    unsigned char random[16];
    char jti[2 * sizeof(random) + 1];
    json_t *meta = metadata(c);
    randombytes_buf(random, sizeof(random));
    sodium_bin2hex(jti, sizeof(jti), random, sizeof(random));
    json_t *j = meta ? json_pack("{s:s, s:I, s:I, s:s, s:s, s:o, s:i}", "jti", jti, "iat",
                                 (json_int_t)c->iat_s, "exp", (json_int_t)c->exp_s, "iss", c->iss,
                                 "sub", c->sub, "wascap", meta, "wascap_revision", 3)
                     : NULL;
    char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
    json_decref(j);
    return text;
}

static char *base64(char *to, const void *p, size_t n) {
    sodium_bin2base64(to, sodium_base64_encoded_len(n, sodium_base64_VARIANT_URLSAFE_NO_PADDING), p,
                      n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    return to + strlen(to);
}

char *jwt_issue(const struct jwt_claims *c, const uint8_t seed[32]) {
    uint8_t pub[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES];
    uint8_t sig[crypto_sign_BYTES];
    char *claims = claims_text(c);
    size_t n = claims ? strlen(claims) : 0;
    char *token = claims ? malloc(2 * (sizeof(HEADER) + n + sizeof(sig)) + 16) : NULL;
    if (token) {
        char *at = base64(token, HEADER, sizeof(HEADER) - 1);
        *at++ = '.';
        at = base64(at, claims, n);
        crypto_sign_seed_keypair(pub, secret, seed);
        crypto_sign_detached(sig, NULL, (const unsigned char *)token, (size_t)(at - token), secret);
        sodium_memzero(secret, sizeof(secret));
        *at++ = '.';
        base64(at, sig, sizeof(sig));
    }
    free(claims);
    return token;
}
