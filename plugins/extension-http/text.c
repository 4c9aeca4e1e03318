/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include <stdio.h>

#include "../common/xmem.h"

static void room(struct text *t, size_t n) {
    if (n >= SIZE_MAX / 4 || t->len + n + 1 < t->cap) {
        if (n >= SIZE_MAX / 4) {
            abort();
        }
        return;
    }
    size_t cap = t->cap ? t->cap : 256;
    while (cap <= t->len + n + 1) {
        cap *= 2;
    }
    t->ptr = x_realloc_n(t->ptr, cap, 1);
    t->cap = cap;
}

void text_add(struct text *t, const void *p, size_t n) {
    room(t, n);
    if (n) {
        memcpy(t->ptr + t->len, p, n);
    }
    t->len += n;
    t->ptr[t->len] = '\0';
}

void text_adds(struct text *t, const char *s) {
    text_add(t, s, strlen(s));
}

void text_addv(struct text *t, trl_str s) {
    text_add(t, s.ptr, s.len);
}

void text_addf(struct text *t, const char *fmt, ...) {
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n > 0) {
        room(t, (size_t)n);
        vsnprintf(t->ptr + t->len, (size_t)n + 1, fmt, again);
        t->len += (size_t)n;
    }
    va_end(again);
}

/* Length of the UTF-8 sequence at s, 0: none. */
static size_t utf8_at(const unsigned char *s, size_t n) {
    size_t len = s[0] < 0x80                    ? 1
                 : s[0] >= 0xc2 && s[0] <= 0xdf ? 2
                 : (s[0] & 0xf0) == 0xe0        ? 3
                 : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4
                                                : 0;
    if (len == 0 || len > n) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)) {
        return 0;
    }
    return len;
}

void text_add_json(struct text *t, trl_str s) {
    const unsigned char *p = (const unsigned char *)s.ptr;
    text_add(t, "\"", 1);
    for (size_t i = 0; i < s.len;) {
        size_t n = utf8_at(p + i, s.len - i);
        if (n == 0) {
            text_add(t, "?", 1);
            n = 1;
        } else if (n == 1 && (p[i] < 0x20 || p[i] == 0x7f)) {
            text_addf(t, "\\u%04x", p[i]);
        } else {
            if (p[i] == '"' || p[i] == '\\') {
                text_add(t, "\\", 1);
            }
            text_add(t, p + i, n);
        }
        i += n;
    }
    text_add(t, "\"", 1);
}

void text_drop(struct text *t, size_t n) {
    if (n >= t->len) {
        t->len = 0;
        return;
    }
    memmove(t->ptr, t->ptr + n, t->len - n);
    t->len -= n;
}

char *text_take(struct text *t) {
    text_add(t, "", 0);
    char *p = t->ptr;
    *t = (struct text){NULL, 0, 0};
    return p;
}

void text_finish(struct text *t) {
    free(t->ptr);
    *t = (struct text){NULL, 0, 0};
}

char *text_dup(trl_str s) {
    struct text t = {NULL, 0, 0};
    text_addv(&t, s);
    return text_take(&t);
}
