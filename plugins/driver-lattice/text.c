/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include "../common/xmem.h"

char *text_dup(trl_str s) {
    char *c = x_alloc(s.len + 1);
    if (s.len) {
        memcpy(c, s.ptr, s.len);
    }
    c[s.len] = '\0';
    return c;
}

char *text_dotted(trl_str a, trl_str b) {
    char *c = x_alloc(a.len + b.len + 2);
    if (a.len) {
        memcpy(c, a.ptr, a.len);
    }
    c[a.len] = '.';
    if (b.len) {
        memcpy(c + a.len + 1, b.ptr, b.len);
    }
    c[a.len + b.len + 1] = '\0';
    return c;
}

char *text_format(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    size_t cap = n < 0 ? 1 : (size_t)n + 1;
    char *c = x_zalloc(cap);
    va_start(ap, fmt);
    vsnprintf(c, cap, fmt, ap);
    va_end(ap);
    return c;
}

int text_has(trl_str s, const char *part) {
    return s.len && memmem(s.ptr, s.len, part, strlen(part)) != NULL;
}

int text_ends(trl_str s, const char *tail) {
    size_t n = strlen(tail);
    return s.len >= n && memcmp(s.ptr + s.len - n, tail, n) == 0;
}

int text_is_token(trl_str s) {
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= ' ' || c == 0x7f || c == '.' || c == '*' || c == '>') {
            return 0;
        }
    }
    return s.len > 0;
}

int text_is_plain_name(trl_str s) {
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-')) {
            return 0;
        }
    }
    return s.len > 0;
}

void text_line(char *to, size_t cap, trl_str s) {
    size_t n = s.len < cap - 1 ? s.len : cap - 1;
    while (n < s.len && n > 0 && ((unsigned char)s.ptr[n] & 0xc0u) == 0x80u) {
        n--;
    }
    for (size_t i = 0; i < n; i++) {
        to[i] = (unsigned char)s.ptr[i] < ' ' ? ' ' : s.ptr[i];
    }
    to[n] = '\0';
}
