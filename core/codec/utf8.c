/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/utf8.h"

#include <endian.h>
#include <string.h>

size_t utf8_next(const char *p, size_t n, uint32_t *ret_cp) {
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (n == 0) {
        return 0;
    }
    unsigned char c = (unsigned char)p[0];
    size_t len = c < 0x80 ? 1 : c >= 0xf0 && c < 0xf8 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 0;
    if (len == 0 || len > n || c >= 0xf8) {
        return 0;
    }
    uint32_t cp = len == 1 ? c : c & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        unsigned char d = (unsigned char)p[i];
        if ((d & 0xc0) != 0x80) {
            return 0;
        }
        cp = cp << 6 | (d & 0x3f);
    }
    if (cp < least[len] || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000)) {
        return 0;
    }
    if (ret_cp) {
        *ret_cp = cp;
    }
    return len;
}

/* Eight bytes at once: the top bit of each byte of the result says that the byte is to be looked
 * at. Borrows may mark too many bytes above one that is marked rightly: the lowest mark is right.
 */
static uint64_t odd_bytes(uint64_t x) {
    const uint64_t ones = 0x0101010101010101ull, tops = 0x8080808080808080ull;
    uint64_t quote = x ^ ones * '"', slash = x ^ ones * '\\';
    return (x | (x - ones * 0x20) | (quote - ones) | (slash - ones)) & tops;
}

size_t utf8_plain(const char *p, size_t n) {
    size_t i = 0;
    for (uint64_t x, odd; i + sizeof(x) <= n; i += sizeof(x)) {
        memcpy(&x, p + i, sizeof(x));
        odd = odd_bytes(le64toh(x));
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

size_t utf8_put(char *out, uint32_t cp) {
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xc0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3f));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(0xe0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
        out[2] = (char)(0x80 | (cp & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
    out[3] = (char)(0x80 | (cp & 0x3f));
    return 4;
}

void utf8_add_visible(struct buf *out, str s, const char *keep) {
    for (size_t i = 0; i < s.len;) {
        uint32_t c = (unsigned char)s.ptr[i];
        size_t n = utf8_next(s.ptr + i, s.len - i, &c);
        bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
        n = n ? n : 1;
        if (control && !(c && c < 0x7f && strchr(keep, (int)c))) {
            buf_addf(out, "\\x%02x", c);
        } else {
            buf_add(out, s.ptr + i, n);
        }
        i += n;
    }
}

size_t utf8_check(str s) {
    size_t i = 0;
    while (i < s.len) {
        size_t n = utf8_next(s.ptr + i, s.len - i, NULL);
        if (n == 0) {
            return i;
        }
        i += n;
    }
    return i;
}
