/* SPDX-License-Identifier: Apache-2.0
 *
 * UTF-8 in JSON texts, strictly: no surrogates, nothing overlong, nothing above U+10FFFF.
 */
#ifndef PLUGINS_COMMON_UTF8_H
#define PLUGINS_COMMON_UTF8_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes of the sequence at p (1-4), 0 when it is not valid within n bytes. */
static inline size_t utf8_next(const char *p, size_t n) {
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char c = n ? (unsigned char)p[0] : 0xff;
    size_t len = c < 0x80 ? 1 : c < 0xc0 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf8 ? 4 : 0;
    uint32_t cp = c & (0x7fu >> len);
    if (len == 0 || len > n) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        unsigned char d = (unsigned char)p[i];
        if ((d & 0xc0) != 0x80) {
            return 0;
        }
        cp = cp << 6 | (d & 0x3f);
    }
    return len > 1 && (cp < least[len] || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000)) ? 0 : len;
}

static inline int utf8_valid(const void *text, size_t n) {
    const char *p = text;
    for (size_t i = 0, len; i < n; i += len) {
        len = utf8_next(p + i, n - i);
        if (len == 0) {
            return 0;
        }
    }
    return 1;
}

/* Eight bytes at once: the lowest byte whose top bit is set in the result is the first that is no
 * ASCII, a control character, a quote or a backslash. */
static inline uint64_t utf8_odd(uint64_t x) {
    const uint64_t ones = 0x0101010101010101ull, tops = 0x8080808080808080ull;
    uint64_t quote = x ^ ones * '"', slash = x ^ ones * '\\';
    return (x | (x - ones * 0x20) | (quote - ones) | (slash - ones)) & tops;
}

/* Bytes at p that stand in a JSON string as they are, each a character of ASCII. */
static inline size_t utf8_plain(const char *p, size_t n) {
    size_t i = 0;
    for (uint64_t x, odd; i + sizeof(x) <= n; i += sizeof(x)) {
        memcpy(&x, p + i, sizeof(x));
        odd = utf8_odd(le64toh(x));
        if (odd) {
            return i + (size_t)__builtin_ctzll(odd) / 8;
        }
    }
    while (i < n && (unsigned char)p[i] >= 0x20 && (unsigned char)p[i] < 0x80 && p[i] != '"' &&
           p[i] != '\\') {
        i++;
    }
    return i;
}

#endif
