/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include <stdio.h>

#include "../common/jescape.h"
#include "../common/utf8.h"
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

void text_add_json(struct text *t, trl_str s) {
    text_add(t, "\"", 1);
    for (size_t i = 0, n; i < s.len; i += n) {
        char escaped[6];
        n = utf8_next(s.ptr + i, s.len - i);
        if (n == 0) {
            text_add(t, "?", 1);
            n = 1;
        } else if (n == 1) {
            text_add(t, escaped, jescape_put(s.ptr[i], escaped));
        } else {
            text_add(t, s.ptr + i, n);
        }
    }
    text_add(t, "\"", 1);
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
