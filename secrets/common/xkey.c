/* SPDX-License-Identifier: Apache-2.0 */
#include "xkey.h"

#include <sodium.h>
#include <string.h>

#define MARK     "xkv1"
#define MARK_LEN 4u

void xkey_generate(struct xkey *out) {
    crypto_box_keypair(out->pub, out->secret);
}

int xkey_from_seed(trl_str seed_text, struct xkey *out) {
    unsigned prefix = 0;
    if (!nkey_decode_seed(seed_text, &prefix, out->secret) || prefix != NKEY_CURVE ||
        crypto_scalarmult_base(out->pub, out->secret) != 0) {
        sodium_memzero(out, sizeof(*out));
        return 0;
    }
    return 1;
}

int xkey_parse_public(trl_str text, uint8_t out[32]) {
    unsigned prefix = 0;
    return nkey_decode_public(text, &prefix, out) && prefix == NKEY_CURVE;
}

void xkey_public_text(const uint8_t pub[32], char out[NKEY_PUBLIC_LEN + 1]) {
    nkey_encode_public(NKEY_CURVE, pub, out);
}

int xkey_seal_with(const struct xkey *from, const uint8_t to[32],
                   const uint8_t nonce[XKEY_NONCE_LEN], const void *plain, size_t n, uint8_t *out) {
    if (crypto_box_easy(out + MARK_LEN + XKEY_NONCE_LEN, plain, n, nonce, to, from->secret) != 0) {
        return 0;
    }
    memcpy(out, MARK, MARK_LEN);
    memcpy(out + MARK_LEN, nonce, XKEY_NONCE_LEN);
    return 1;
}

int xkey_seal(const struct xkey *from, const uint8_t to[32], const void *plain, size_t n,
              uint8_t *out) {
    uint8_t nonce[XKEY_NONCE_LEN];
    randombytes_buf(nonce, sizeof(nonce));
    return xkey_seal_with(from, to, nonce, plain, n, out);
}

int xkey_open(const struct xkey *to, const uint8_t from[32], const void *box, size_t n,
              uint8_t *out) {
    const uint8_t *p = box;
    if (n < XKEY_OVERHEAD || memcmp(p, MARK, MARK_LEN) != 0) {
        return 0;
    }
    return crypto_box_open_easy(out, p + MARK_LEN + XKEY_NONCE_LEN, n - MARK_LEN - XKEY_NONCE_LEN,
                                p + MARK_LEN, from, to->secret) == 0;
}
