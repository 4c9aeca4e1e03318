/* SPDX-License-Identifier: Apache-2.0 */
#include "nkey.h"

#include <sodium.h>
#include <string.h>

#define SEED_MARK 0x90u

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/* CRC-16/XMODEM */
static unsigned checksum(const uint8_t *p, size_t n) {
    unsigned crc = 0;
    for (size_t i = 0; i < n; i++) {
        crc ^= (unsigned)p[i] << 8;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc & 0x8000u ? (crc << 1) ^ 0x1021u : crc << 1;
        }
    }
    return crc & 0xffffu;
}

static void to_text(const uint8_t *p, size_t n, char *out) {
    uint32_t acc = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < n; i++) {
        acc = acc << 8 | p[i];
        for (bits += 8; bits >= 5;) {
            bits -= 5;
            *out++ = alphabet[acc >> bits & 31u];
        }
    }
    if (bits) {
        *out++ = alphabet[acc << (5 - bits) & 31u];
    }
    *out = '\0';
}

/* Exactly n bytes; bits left over at the end must be zero, so that a key has one text only. */
static int from_text(trl_str s, uint8_t *out, size_t n) {
    uint32_t acc = 0;
    unsigned bits = 0;
    size_t have = 0;
    for (size_t i = 0; i < s.len; i++) {
        const char *at = s.ptr[i] ? strchr(alphabet, s.ptr[i]) : NULL;
        if (!at) {
            return 0;
        }
        acc = acc << 5 | (uint32_t)(at - alphabet);
        bits += 5;
        if (bits >= 8) {
            bits -= 8;
            if (have == n) {
                return 0;
            }
            out[have++] = (uint8_t)(acc >> bits);
        }
    }
    return have == n && (acc & ((1u << bits) - 1u)) == 0;
}

static void seal_checksum(uint8_t *raw, size_t n) {
    unsigned crc = checksum(raw, n);
    raw[n] = (uint8_t)crc;
    raw[n + 1] = (uint8_t)(crc >> 8);
}

static int checksum_ok(const uint8_t *raw, size_t n) {
    return checksum(raw, n) == ((unsigned)raw[n] | (unsigned)raw[n + 1] << 8);
}

static int known(unsigned prefix) {
    return prefix == NKEY_ACCOUNT || prefix == NKEY_MODULE || prefix == NKEY_SERVER ||
           prefix == NKEY_USER || prefix == NKEY_SERVICE || prefix == NKEY_CURVE;
}

void nkey_encode_public(unsigned prefix, const uint8_t key[32], char out[NKEY_PUBLIC_LEN + 1]) {
    uint8_t raw[35];
    raw[0] = (uint8_t)prefix;
    memcpy(raw + 1, key, 32);
    seal_checksum(raw, 33);
    to_text(raw, sizeof(raw), out);
}

void nkey_encode_seed(unsigned prefix, const uint8_t seed[32], char out[NKEY_SEED_LEN + 1]) {
    uint8_t raw[36];
    raw[0] = (uint8_t)(SEED_MARK | prefix >> 5);
    raw[1] = (uint8_t)((prefix & 31u) << 3);
    memcpy(raw + 2, seed, 32);
    seal_checksum(raw, 34);
    to_text(raw, sizeof(raw), out);
    sodium_memzero(raw, sizeof(raw));
}

int nkey_decode_public(trl_str text, unsigned *ret_prefix, uint8_t ret_key[32]) {
    uint8_t raw[35];
    if (text.len != NKEY_PUBLIC_LEN || !from_text(text, raw, sizeof(raw)) ||
        !checksum_ok(raw, 33) || !known(raw[0])) {
        return 0;
    }
    *ret_prefix = raw[0];
    memcpy(ret_key, raw + 1, 32);
    return 1;
}

int nkey_decode_seed(trl_str text, unsigned *ret_prefix, uint8_t ret_seed[32]) {
    uint8_t raw[36];
    int ok = text.len == NKEY_SEED_LEN && from_text(text, raw, sizeof(raw)) &&
             (raw[0] & 0xf8u) == SEED_MARK && checksum_ok(raw, 34);
    if (ok) {
        unsigned prefix = (raw[0] & 7u) << 5 | raw[1] >> 3;
        ok = known(prefix);
        *ret_prefix = prefix;
        memcpy(ret_seed, raw + 2, 32);
    }
    sodium_memzero(raw, sizeof(raw));
    return ok;
}

int nkey_public_of_seed(trl_str seed, char out[NKEY_PUBLIC_LEN + 1]) {
    uint8_t raw[32], pub[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES];
    unsigned prefix = 0;
    int ok = nkey_decode_seed(seed, &prefix, raw) && prefix != NKEY_CURVE;
    if (ok) {
        crypto_sign_seed_keypair(pub, secret, raw);
        nkey_encode_public(prefix, pub, out);
        sodium_memzero(secret, sizeof(secret));
    }
    sodium_memzero(raw, sizeof(raw));
    return ok;
}
