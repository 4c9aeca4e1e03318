/* SPDX-License-Identifier: Apache-2.0
 *
 * Escapes in JSON strings, for the readers (jtree, jpull) and whoever writes. Pure.
 */
#ifndef PLUGINS_COMMON_JESCAPE_H
#define PLUGINS_COMMON_JESCAPE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Four hexadecimal digits, -1: they are none. */
static inline int32_t jescape_hex4(const char *p, const char *end) {
    int32_t v = 0;
    if (end - p < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int d = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
        if (d < 0) {
            return -1;
        }
        v = v * 16 + d;
    }
    return v;
}

/* Behind the 'u': the code point, of both surrogates if it takes two; -1: none. */
static inline int32_t jescape_code(const char **p, const char *end) {
    int32_t hi = jescape_hex4(*p, end), lo;
    if (hi < 0 || (hi >= 0xdc00 && hi < 0xe000)) {
        return -1;
    }
    *p += 4;
    if (hi < 0xd800 || hi >= 0xe000) {
        return hi;
    }
    if (end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u') {
        return -1;
    }
    lo = jescape_hex4(*p + 2, end);
    if (lo < 0xdc00 || lo >= 0xe000) {
        return -1;
    }
    *p += 6;
    return 0x10000 + ((hi - 0xd800) << 10) + (lo - 0xdc00);
}

static inline size_t jescape_utf8(char *to, uint32_t cp) {
    static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
    unsigned more = cp < 0x80 ? 0 : cp < 0x800 ? 1 : cp < 0x10000 ? 2 : 3;
    *to++ = (char)(lead[more] | cp >> (6 * more));
    for (unsigned left = more; left > 0; left--) {
        *to++ = (char)(0x80 | (cp >> (6 * (left - 1)) & 0x3f));
    }
    return more + 1;
}

/* Behind the backslash. Bytes written to `to`, at most 4 and fewer than were read; 0: no escape.
 * `to` may be where the backslash stood. */
static inline size_t jescape(const char **p, const char *end, char *to) {
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    char c = *p < end ? *(*p)++ : '\0';
    if (c == 'u') {
        int32_t cp = jescape_code(p, end);
        return cp < 0 ? 0 : jescape_utf8(to, (uint32_t)cp);
    }
    const char *at = c ? strchr(from, c) : NULL;
    if (!at) {
        return 0;
    }
    *to = into[at - from];
    return 1;
}

/* How a byte of a text stands in a JSON string: bytes written, at most 6. */
static inline size_t jescape_put(char c, char *to) {
    static const char hex[] = "0123456789abcdef", from[] = "\"\\\b\f\n\r\t", into[] = "\"\\bfnrt";
    const char *at = memchr(from, c, sizeof(from) - 1);
    if (!at && (unsigned char)c >= 0x20) {
        *to = c;
        return 1;
    }
    *to++ = '\\';
    if (at) {
        *to = into[at - from];
        return 2;
    }
    memcpy(to, "u00", 3);
    to[3] = hex[(c >> 4) & 15];
    to[4] = hex[c & 15];
    return 6;
}

#endif
