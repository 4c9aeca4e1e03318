/* SPDX-License-Identifier: Apache-2.0 */
#include "nkey.h"

#include <sodium.h>
#include <string.h>

#define PREFIX_SEED (18u << 3)

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/* CRC-16/XMODEM */
static uint16_t crc16(const uint8_t *p, size_t n) {
    uint16_t crc = 0;
    for (size_t i = 0; i < n; i++) {
        crc = (uint16_t)(crc ^ (uint16_t)(p[i] << 8));
        for (int b = 0; b < 8; b++) {
            crc = (uint16_t)(crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1);
        }
    }
    return crc;
}

static void base32(const uint8_t *p, size_t n, char *out) {
    uint32_t acc = 0;
    int bits = 0;
    for (size_t i = 0; i < n; i++) {
        acc = (acc << 8 | p[i]) & 0xffff;
        bits += 8;
        while (bits >= 5) {
            bits -= 5;
            *out++ = alphabet[acc >> bits & 31];
        }
    }
    if (bits) {
        *out++ = alphabet[acc << (5 - bits) & 31];
    }
    *out = '\0';
}

static size_t unbase32(const char *s, uint8_t *out, size_t cap) {
    uint32_t acc = 0;
    int bits = 0;
    size_t n = 0;
    for (; *s; s++) {
        const char *at = strchr(alphabet, *s);
        if (!at || n == cap) {
            return 0;
        }
        acc = (acc << 5 | (uint32_t)(at - alphabet)) & 0xffff;
        bits += 5;
        if (bits >= 8) {
            bits -= 8;
            out[n++] = (uint8_t)(acc >> bits);
        }
    }
    return n;
}

static void seal(uint8_t *raw, size_t n) {
    uint16_t crc = crc16(raw, n);
    raw[n] = (uint8_t)crc;
    raw[n + 1] = (uint8_t)(crc >> 8);
}

void nkey_encode_public(unsigned prefix, const uint8_t key[32], char out[NKEY_PUBLIC_LEN + 1]) {
    uint8_t raw[35];
    raw[0] = (uint8_t)prefix;
    memcpy(raw + 1, key, 32);
    seal(raw, 33);
    base32(raw, sizeof(raw), out);
}

/* The prefix of the key's kind is spread over the first two bytes. */
void nkey_encode_seed(unsigned prefix, const uint8_t seed[32], char out[NKEY_SEED_LEN + 1]) {
    uint8_t raw[36];
    raw[0] = (uint8_t)(PREFIX_SEED | prefix >> 5);
    raw[1] = (uint8_t)((prefix & 31) << 3);
    memcpy(raw + 2, seed, 32);
    seal(raw, 34);
    base32(raw, sizeof(raw), out);
    sodium_memzero(raw, sizeof(raw));
}

int nkey_public(const char *seed, char out[NKEY_PUBLIC_LEN + 1]) {
    uint8_t raw[36], pub[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES];
    int ok = strlen(seed) == NKEY_SEED_LEN && unbase32(seed, raw, sizeof(raw)) == sizeof(raw) &&
             (raw[0] & 0xf8) == PREFIX_SEED && crc16(raw, 34) == (uint16_t)(raw[34] | raw[35] << 8);
    if (ok) {
        crypto_sign_seed_keypair(pub, secret, raw + 2);
        nkey_encode_public((raw[0] & 7u) << 5 | raw[1] >> 3, pub, out);
    }
    sodium_memzero(raw, sizeof(raw));
    sodium_memzero(secret, sizeof(secret));
    return ok;
}
