/* SPDX-License-Identifier: Apache-2.0 */
#include "jwrite.h"

#include "jescape.h"
#include "utf8.h"
#include "xmem.h"

static char *room(struct jwrite *w, size_t n) {
    size_t need;
    if (__builtin_add_overflow(w->len, n, &need)) {
        abort();
    }
    if (need > w->cap) {
        size_t cap = w->cap ? w->cap : 256;
        while (cap < need) {
            if (__builtin_mul_overflow(cap, 2u, &cap)) {
                abort();
            }
        }
        w->text = x_realloc_n(w->text, cap, 1);
        w->cap = cap;
    }
    return w->text + w->len;
}

static void add(struct jwrite *w, const char *p, size_t n) {
    if (n) {
        memcpy(room(w, n), p, n);
        w->len += n;
    }
}

static void lead(struct jwrite *w) {
    if (w->comma) {
        add(w, ",", 1);
    }
    w->comma = 1;
}

static void add_quoted(struct jwrite *w, trl_str s) {
    add(w, "\"", 1);
    for (size_t i = 0; i < s.len;) {
        size_t n = utf8_plain(s.ptr + i, s.len - i);
        add(w, s.ptr + i, n);
        i += n;
        if (i == s.len) {
            break;
        }
        n = utf8_next(s.ptr + i, s.len - i);
        if (n == 0) {
            w->bad = 1;
            break;
        }
        if (n == 1) {
            w->len += jescape_put(s.ptr[i], room(w, 6));
        } else {
            add(w, s.ptr + i, n);
        }
        i += n;
    }
    add(w, "\"", 1);
}

void jwrite_open(struct jwrite *w, char bracket) {
    lead(w);
    add(w, &bracket, 1);
    w->comma = 0;
}

void jwrite_close(struct jwrite *w, char bracket) {
    add(w, &bracket, 1);
    w->comma = 1;
}

void jwrite_key(struct jwrite *w, trl_str key) {
    lead(w);
    add_quoted(w, key);
    add(w, ":", 1);
    w->comma = 0;
}

void jwrite_str(struct jwrite *w, trl_str s) {
    lead(w);
    add_quoted(w, s);
}

void jwrite_u64(struct jwrite *w, uint64_t v) {
    char digits[20];
    size_t n = sizeof(digits);
    do {
        digits[--n] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    lead(w);
    add(w, digits + n, sizeof(digits) - n);
}

void jwrite_false(struct jwrite *w) {
    lead(w);
    add(w, "false", 5);
}

void jwrite_raw(struct jwrite *w, trl_str json) {
    lead(w);
    add(w, json.ptr, json.len);
}

char *jwrite_take(struct jwrite *w) {
    char *text = w->text;
    if (w->bad) {
        free(text);
        text = NULL;
    } else {
        *room(w, 1) = '\0';
        text = w->text;
    }
    memset(w, 0, sizeof(*w));
    return text;
}
