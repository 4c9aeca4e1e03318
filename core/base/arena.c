/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

struct arena_block {
    struct arena_block *next;
    size_t len, cap;
    max_align_t data[];
};

void *arena_raw(struct arena *a, size_t n) {
    size_t need = (n + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    struct arena_block *b = a->head;
    if (!b || b->cap - b->len < need) {
        size_t cap = b && b->cap < 65536 ? b->cap * 2 : b ? b->cap : 1024;
        cap = cap < need ? need : cap;
        b = mem_alloc(sizeof(*b) + cap);
        *b = (struct arena_block){a->head, 0, cap};
        a->head = b;
    }
    void *p = (char *)b->data + b->len;
    b->len += need;
    a->used += need;
    return p;
}

void *arena_alloc(struct arena *a, size_t n) {
    return memset(arena_raw(a, n), 0, n);
}

str arena_str(struct arena *a, str s) {
    char *p = arena_raw(a, s.len + 1);
    if (s.len) {
        memcpy(p, s.ptr, s.len);
    }
    p[s.len] = '\0';
    return str_n(p, s.len);
}

static char *put(char *to, str s) {
    if (s.len) {
        memcpy(to, s.ptr, s.len);
    }
    return to + s.len;
}

str arena_join(struct arena *a, const str *parts, uint32_t n, str between) {
    size_t len = n ? (n - 1) * between.len : 0;
    for (uint32_t i = 0; i < n; i++) {
        len += parts[i].len;
    }
    char *p = arena_alloc(a, len + 1), *to = p;
    for (uint32_t i = 0; i < n; i++) {
        to = put(i ? put(to, between) : to, parts[i]);
    }
    return str_n(p, len);
}

str arena_printf(struct arena *a, const char *fmt, ...) {
    char text[256];
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    size_t len = n > 0 ? (size_t)n : 0;
    str s = str_n(text, len);
    if (len < sizeof(text)) {
        s = arena_str(a, s);
    } else {
        char *p = arena_alloc(a, len + 1);
        vsnprintf(p, len + 1, fmt, again);
        s.ptr = p;
    }
    va_end(again);
    va_end(ap);
    return s;
}

/* The newest block is the largest one. */
void arena_reset(struct arena *a) {
    while (a->head && a->head->next) {
        struct arena_block *old = a->head->next;
        a->head->next = old->next;
        mem_free(old);
    }
    if (a->head) {
        a->head->len = 0;
    }
    a->used = 0;
}

void arena_finish(struct arena *a) {
    arena_reset(a);
    mem_free(a->head);
    *a = (struct arena)ARENA_INIT;
}
