/* SPDX-License-Identifier: Apache-2.0 */
#include "base/digest.h"

#include <sodium.h>
#include <stdio.h>

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
    uint8_t b[16];
    ulid_bits(unix_ms, r, b);
    snprintf(ret, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
             b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
             b[14], b[15]);
}
