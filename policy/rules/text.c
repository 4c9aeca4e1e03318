/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>

#include "../../plugins/common/xmem.h"

void text_add(struct text *t, const char *p, size_t n) {
    if (t->len + n + 1 > t->cap) {
        t->cap = (t->len + n + 1) * 2;
        t->at = x_realloc_n(t->at, t->cap, 1);
    }
    if (n) {
        memcpy(t->at + t->len, p, n);
    }
    t->len += n;
    t->at[t->len] = '\0';
}

void text_c(struct text *t, const char *c) {
    text_add(t, c, strlen(c));
}

void text_f(struct text *t, const char *fmt, ...) {
    char small[512];
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(small, sizeof(small), fmt, ap);
    va_end(ap);
    if (n < 0) {
        abort();
    }
    if ((size_t)n < sizeof(small)) {
        text_add(t, small, (size_t)n);
    } else {
        char *large = x_alloc((size_t)n + 1);
        vsnprintf(large, (size_t)n + 1, fmt, again);
        text_add(t, large, (size_t)n);
        free(large);
    }
    va_end(again);
}

void text_cut(struct text *t, trl_str s, size_t max) {
    size_t n = s.len;
    if (n > max) {
        n = max;
        while (n > 0 && ((unsigned char)s.ptr[n] & 0xc0) == 0x80) {
            n--;
        }
    }
    text_add(t, s.ptr, n);
    for (size_t i = t->len - n; i < t->len; i++) {
        t->at[i] = (unsigned char)t->at[i] < 0x20 || t->at[i] == 0x7f ? '?' : t->at[i];
    }
    if (n < s.len) {
        text_c(t, "...");
    }
}

void text_json(struct text *t, trl_str s) {
    size_t from = 0;
    text_add(t, "\"", 1);
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c >= 0x20 && c != '"' && c != '\\') {
            continue;
        }
        text_add(t, s.ptr + from, i - from);
        from = i + 1;
        if (c == '"' || c == '\\') {
            char escaped[2] = {'\\', (char)c};
            text_add(t, escaped, 2);
        } else {
            text_f(t, "\\u%04x", c);
        }
    }
    text_add(t, s.ptr + from, s.len - from);
    text_add(t, "\"", 1);
}

trl_str text_str(const struct text *t) {
    trl_str s = {t->at, t->len};
    return s;
}

void text_clear(struct text *t) {
    t->len = 0;
}

void text_finish(struct text *t) {
    free(t->at);
    memset(t, 0, sizeof(*t));
}
