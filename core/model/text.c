/* SPDX-License-Identifier: Apache-2.0 */
#include "model/text.h"

#include <string.h>

#include "codec/utf8.h"

static bool is_space(uint32_t c) {
    return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

str text_trim(str s) {
    uint32_t c = 0;
    size_t n;
    while ((n = utf8_next(s.ptr, s.len, &c)) > 0 && is_space(c)) {
        s = str_skip(s, n);
    }
    while (s.len) {
        size_t at = s.len - 1;
        while (at > 0 && ((unsigned char)s.ptr[at] & 0xc0) == 0x80) {
            at--;
        }
        if (utf8_next(s.ptr + at, s.len - at, &c) != s.len - at || !is_space(c)) {
            break;
        }
        s.len = at;
    }
    return s;
}

/* Not to be seen, or taking no room of its own. */
static bool is_invisible(uint32_t c) {
    return c < 0x20 || (c >= 0x7f && c <= 0xa0) || c == 0xad || (c != ' ' && is_space(c)) ||
           c == 0x61c || c == 0x180e || (c >= 0x200b && c <= 0x200f) ||
           (c >= 0x202a && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
           (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe000 && c <= 0xf8ff) || (c & 0xfffe) == 0xfffe ||
           c >= 0xe0000;
}

static void add_char(struct buf *out, const char *p, size_t n, uint32_t c) {
    static const char from[] = "\"\\\n\r\t", to[] = "\"\\nrt";
    const char *at = c > 0 && c < 0x80 ? memchr(from, (int)c, sizeof(from) - 1) : NULL;
    if (at) {
        buf_addf(out, "\\%c", to[at - from]);
    } else if (c == 0) {
        buf_add(out, "\\0", 2);
    } else if (is_invisible(c)) {
        buf_addf(out, "\\u{%x}", c);
    } else {
        buf_add(out, p, n);
    }
}

void text_add_quoted(struct buf *out, str s) {
    buf_add_c(out, '"');
    for (size_t i = 0; i < s.len;) {
        uint32_t c = 0;
        size_t n = utf8_next(s.ptr + i, s.len - i, &c);
        if (n == 0) {
            n = 1;
            c = 0xfffd;
            buf_add(out, "\xef\xbf\xbd", 3);
        } else {
            add_char(out, s.ptr + i, n, c);
        }
        i += n;
    }
    buf_add_c(out, '"');
}

static bool is_alpha(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_alnum(char c) {
    return is_alpha(c) || (c >= '0' && c <= '9');
}

bool text_is_name(str s) {
    for (size_t i = 0; i < s.len; i++) {
        if (!is_alnum(s.ptr[i]) && s.ptr[i] != '-' && s.ptr[i] != '_') {
            return false;
        }
    }
    return s.len > 0;
}

/* 1-63 bytes, alphanumeric at both ends (a letter first, if asked), between them also what extra
 * has. */
static bool is_part(str s, bool letter_first, const char *extra) {
    if (s.len < 1 || s.len > 63 || !is_alnum(s.ptr[s.len - 1]) ||
        !(letter_first ? is_alpha(s.ptr[0]) : is_alnum(s.ptr[0]))) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (!is_alnum(s.ptr[i]) && (s.ptr[i] == '\0' || !strchr(extra, s.ptr[i]))) {
            return false;
        }
    }
    return true;
}

bool text_is_label_key(str s) {
    str name, rest;
    str prefix = str_cut(s, '/', &name);
    if (!name.ptr) {
        return is_part(s, false, "-_.");
    }
    if (prefix.len < 1 || prefix.len > 253) {
        return false;
    }
    for (str part = str_cut(prefix, '.', &rest);; part = str_cut(rest, '.', &rest)) {
        if (!is_part(part, true, "-")) {
            return false;
        }
        if (!rest.ptr) {
            break;
        }
    }
    return is_part(name, false, "-_.");
}
