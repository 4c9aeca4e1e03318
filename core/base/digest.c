/* SPDX-License-Identifier: Apache-2.0 */
#include "base/digest.h"

#include <sodium.h>

void digest_sha256_hex(const str *parts, uint32_t n, char ret[65]) {
    crypto_hash_sha256_state st;
    unsigned char out[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_init(&st);
    for (uint32_t i = 0; i < n; i++) {
        crypto_hash_sha256_update(&st, (const unsigned char *)parts[i].ptr, parts[i].len);
    }
    crypto_hash_sha256_final(&st, out);
    sodium_bin2hex(ret, 65, out, sizeof(out));
}

void digest_128(const str *parts, uint32_t n, unsigned char ret[16]) {
    crypto_generichash_state st;
    crypto_generichash_init(&st, NULL, 0, 16);
    for (uint32_t i = 0; i < n; i++) {
        crypto_generichash_update(&st, (const unsigned char *)parts[i].ptr, parts[i].len);
    }
    crypto_generichash_final(&st, ret, 16);
}

static void ulid_bits(int64_t unix_ms, struct rng *r, uint8_t b[16]) {
    for (int i = 0; i < 6; i++) {
        b[i] = (uint8_t)((uint64_t)unix_ms >> (40 - 8 * i));
    }
    for (int i = 6; i < 16; i++) {
        b[i] = (uint8_t)rng_below(r, 256);
    }
}

void ulid_text(int64_t unix_ms, struct rng *r, char ret[27]) {
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    uint8_t b[16];
    ulid_bits(unix_ms, r, b);
    for (int i = 0; i < ULID_LEN; i++) { /* 130 bits: two leading zero bits, then 128 */
        unsigned v = 0;
        for (int k = 0; k < 5; k++) {
            int bit = i * 5 + k - 2;
            v = v << 1 | (bit < 0 ? 0u : (unsigned)(b[bit / 8] >> (7 - bit % 8)) & 1u);
        }
        ret[i] = digits[v];
    }
    ret[ULID_LEN] = '\0';
}

void ulid_uuid_text(int64_t unix_ms, struct rng *r, char ret[37]) {
    static const char hex[] = "0123456789abcdef";
    uint8_t b[16];
    ulid_bits(unix_ms, r, b);
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *ret++ = '-';
        }
        *ret++ = hex[b[i] >> 4];
        *ret++ = hex[b[i] & 15];
    }
    *ret = '\0';
}
