/* SPDX-License-Identifier: Apache-2.0 */
#include "hostwire/hostid.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define PREFIX_SERVER 0x68

static uint16_t crc16(const unsigned char *p, size_t n) { /* XMODEM: 0x1021, from 0 */
    uint16_t crc = 0;
    for (size_t i = 0; i < n; i++) {
        crc = (uint16_t)(crc ^ (p[i] << 8));
        for (int bit = 0; bit < 8; bit++) {
            crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
        }
    }
    return crc;
}

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/* n bytes with room for the check sum behind them, as text of the given length. */
static void to_text(unsigned char *raw, int n, char *ret, int len) {
    uint16_t crc = crc16(raw, (size_t)n);
    raw[n] = (unsigned char)(crc & 0xff);
    raw[n + 1] = (unsigned char)(crc >> 8);
    for (int i = 0; i < len; i++) {
        unsigned v = 0;
        for (int k = 0; k < 5; k++) {
            int bit = i * 5 + k;
            v = v << 1 | (bit / 8 < n + 2 ? (unsigned)(raw[bit / 8] >> (7 - bit % 8)) & 1u : 0);
        }
        ret[i] = digits[v];
    }
    ret[len] = '\0';
}

void hostid_of_key(const unsigned char key[32], char ret[HOSTID_LEN + 1]) {
    unsigned char raw[35], secret[crypto_sign_SECRETKEYBYTES];
    raw[0] = PREFIX_SERVER;
    crypto_sign_seed_keypair(raw + 1, secret, key);
    sodium_memzero(secret, sizeof(secret));
    to_text(raw, 33, ret, HOSTID_LEN);
}

void hostid_make(uint64_t seed, str lattice, uint32_t index, char ret[HOSTID_LEN + 1]) {
    static const char what[] = "virtual host";
    unsigned char key[32];
    crypto_generichash_state st;
    crypto_generichash_init(&st, NULL, 0, sizeof(key));
    crypto_generichash_update(&st, (const unsigned char *)what, sizeof(what));
    crypto_generichash_update(&st, (const unsigned char *)&seed, sizeof(seed));
    crypto_generichash_update(&st, (const unsigned char *)&index, sizeof(index));
    crypto_generichash_update(&st, (const unsigned char *)lattice.ptr, lattice.len);
    crypto_generichash_final(&st, key, sizeof(key));
    hostid_of_key(key, ret);
}

void hostid_name(struct rng *r, char ret[HOSTID_NAME]) {
    static const char *const first[] = {"amber", "brave", "calm",  "dusty",   "eager", "faint",
                                        "green", "hazy",  "ivory", "jolly",   "kind",  "late",
                                        "mild",  "noble", "old",   "patient", "quiet", "rapid",
                                        "sunny", "tidy",  "upper", "vivid",   "warm",  "young"};
    static const char *const second[] = {"bay",  "cloud", "dawn",  "ember", "field", "grove",
                                         "hill", "isle",  "lake",  "marsh", "night", "oak",
                                         "pond", "rain",  "river", "shore", "stone", "tree",
                                         "vale", "wave",  "wood",  "sky",   "moon",  "leaf"};
    const char *a = first[rng_below(r, sizeof(first) / sizeof(first[0]))];
    const char *b = second[rng_below(r, sizeof(second) / sizeof(second[0]))];
    snprintf(ret, HOSTID_NAME, "%s-%s-%04u", a, b, (unsigned)rng_below(r, 10000));
}
