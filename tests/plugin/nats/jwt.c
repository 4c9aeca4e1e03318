/* SPDX-License-Identifier: Apache-2.0 */
#include "jwt.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nkey.h"

void key_make(struct key *k, char kind) {
    unsigned prefix = (unsigned)(kind - 'A') << 3;
    unsigned char seed[32], pub[32];
    if (sodium_init() < 0) {
        abort();
    }
    randombytes_buf(seed, sizeof(seed));
    crypto_sign_seed_keypair(pub, k->secret, seed);
    nkey_encode_seed(prefix, seed, k->seed);
    nkey_encode_public(prefix, pub, k->pub);
}

static char *url64(const void *p, size_t n) {
    size_t cap = sodium_base64_encoded_len(n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    char *out = malloc(cap);
    sodium_bin2base64(out, cap, p, n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    return out;
}

char *jwt_make(const struct key *subject, const struct key *issuer, const char *name,
               const char *nats) {
    static const char header[] = "{\"typ\":\"JWT\",\"alg\":\"ed25519-nkey\"}";
    char claims[4096], *h, *c, *s, *out;
    unsigned char sig[64];
    size_t len;
    snprintf(claims, sizeof(claims),
             "{\"jti\":\"T\",\"iat\":1700000000,\"iss\":\"%s\",\"name\":\"%s\",\"sub\":\"%s\","
             "\"nats\":%s}",
             issuer->pub, name, subject->pub, nats);
    h = url64(header, sizeof(header) - 1);
    c = url64(claims, strlen(claims));
    len = strlen(h) + strlen(c) + 128;
    out = malloc(len);
    snprintf(out, len, "%s.%s", h, c);
    crypto_sign_detached(sig, NULL, (unsigned char *)out, strlen(out), issuer->secret);
    s = url64(sig, sizeof(sig));
    snprintf(out + strlen(out), len - strlen(out), ".%s", s);
    free(h);
    free(c);
    free(s);
    return out;
}
