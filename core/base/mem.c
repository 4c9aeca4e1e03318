/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SMALL 1024u

static void *checked(void *p) {
    if (!p) {
        fputs("trellis: out of memory\n", stderr);
        abort();
    }
    return p;
}

void *mem_alloc(size_t n) {
    return checked(malloc(n ? n : 1));
}

/* Small pieces by malloc: glibc's calloc goes past the cache of its thread. */
void *mem_zalloc(size_t n) {
    return n > SMALL ? checked(calloc(1, n)) : memset(mem_alloc(n), 0, n);
}

void *mem_array(size_t n, size_t size) {
    return n <= SMALL && size <= SMALL ? mem_zalloc(n * size) : checked(calloc(n, size));
}

void *mem_realloc(void *p, size_t n) {
    return checked(realloc(p, n ? n : 1));
}

void *mem_dup(const void *p, size_t n) {
    void *copy = mem_alloc(n);
    if (n) {
        memcpy(copy, p, n);
    }
    return copy;
}

char *mem_strndup(const char *s, size_t n) {
    char *copy = mem_alloc(n + 1);
    if (n) {
        memcpy(copy, s, n);
    }
    copy[n] = '\0';
    return copy;
}

char *mem_strdup(const char *s) {
    return s ? mem_strndup(s, strlen(s)) : NULL;
}

void mem_free(void *p) {
    free(p);
}

void *mem_grow(void *p, uint32_t *cap, uint32_t need, size_t size) {
    if (need <= *cap) {
        return p;
    }
    uint32_t n = *cap ? *cap : 8;
    while (n < need) {
        n += n / 2 + 1;
    }
    *cap = n;
    return checked(reallocarray(p, n, size));
}

uint32_t mem_zero_slot(void *slot, size_t size, uint32_t *n) {
    memset(slot, 0, size);
    return (*n)++;
}
