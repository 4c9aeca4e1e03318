/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

str str_c(const char *c) {
    return trl_cstr(c);
}

bool str_eq(str a, str b) {
    return trl_str_eq(a, b);
}

bool str_is(str a, const char *c) {
    return trl_str_is(a, c);
}

int str_cmp(str a, str b) {
    return trl_str_cmp(a, b);
}

bool str_starts(str s, str prefix) {
    return trl_str_starts(s, prefix);
}

bool str_ends(str s, str suffix) {
    return s.len >= suffix.len && str_eq(str_skip(s, s.len - suffix.len), suffix);
}

static bool blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

str str_trim(str s) {
    while (s.len && blank(s.ptr[0])) {
        s = str_skip(s, 1);
    }
    while (s.len && blank(s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

str str_skip(str s, size_t n) {
    return n >= s.len ? str_n(s.ptr ? s.ptr + s.len : NULL, 0) : str_n(s.ptr + n, s.len - n);
}

str str_cut(str s, char c, str *rest) {
    const char *p = s.len ? memchr(s.ptr, c, s.len) : NULL;
    if (!p) {
        *rest = STR_NONE;
        return s;
    }
    size_t n = (size_t)(p - s.ptr);
    *rest = str_n(p + 1, s.len - n - 1);
    return str_n(s.ptr, n);
}

char *str_dup(str s) {
    return mem_strndup(s.ptr, s.len);
}

bool str_u64(str s, uint64_t *ret) {
    uint64_t v = 0;
    if (s.len == 0) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') {
            return false;
        }
        uint64_t d = (uint64_t)(s.ptr[i] - '0');
        if (v > (UINT64_MAX - d) / 10) {
            return false;
        }
        v = v * 10 + d;
    }
    *ret = v;
    return true;
}

int str_cmp_qsort(const void *a, const void *b) {
    return str_cmp(*(const str *)a, *(const str *)b);
}

static void grow(struct buf *b, size_t need) {
    size_t cap = b->cap ? b->cap : 64; /* messages are some hundred bytes: quickly there */
    do {
        cap *= cap < 4096 ? 4 : 2;
    } while (cap < need);
    b->ptr = mem_realloc(b->ptr, cap);
    b->cap = cap;
}

static inline void reserve(struct buf *b, size_t more) {
    if (b->len + more + 1 > b->cap) {
        grow(b, b->len + more + 1);
    }
}

char *buf_room(struct buf *b, size_t n) {
    reserve(b, n);
    return b->ptr + b->len;
}

void buf_add(struct buf *b, const void *p, size_t n) {
    reserve(b, n);
    if (n) {
        memcpy(b->ptr + b->len, p, n);
    }
    b->len += n;
    b->ptr[b->len] = '\0';
}

void buf_add_str(struct buf *b, str s) {
    buf_add(b, s.ptr, s.len);
}

void buf_add_c(struct buf *b, char c) {
    reserve(b, 1);
    b->ptr[b->len++] = c;
    b->ptr[b->len] = '\0';
}

void buf_add_u64(struct buf *b, uint64_t v) {
    char digits[20];
    size_t n = sizeof(digits);
    do {
        digits[--n] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    buf_add(b, digits + n, sizeof(digits) - n);
}

/* Mostly there is room already, so it is written once. */
void buf_addv(struct buf *b, const char *fmt, va_list ap) {
    va_list again;
    va_copy(again, ap);
    reserve(b, 0);
    size_t room = b->cap - b->len;
    int n = vsnprintf(b->ptr + b->len, room, fmt, ap);
    if (n > 0 && (size_t)n >= room) {
        reserve(b, (size_t)n);
        n = vsnprintf(b->ptr + b->len, (size_t)n + 1, fmt, again);
    }
    if (n > 0) {
        b->len += (size_t)n;
    }
    b->ptr[b->len] = '\0';
    va_end(again);
}

void buf_addf(struct buf *b, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    buf_addv(b, fmt, ap);
    va_end(ap);
}

void buf_clear(struct buf *b) {
    b->len = 0;
    if (b->ptr) {
        b->ptr[0] = '\0';
    }
}

void buf_finish(struct buf *b) {
    mem_free(b->ptr);
    *b = (struct buf)BUF_INIT;
}

str buf_str(const struct buf *b) {
    return str_n(b->ptr, b->len);
}

char *buf_take(struct buf *b) {
    reserve(b, 0);
    b->ptr[b->len] = '\0';
    char *p = b->ptr;
    *b = (struct buf)BUF_INIT;
    return p;
}
