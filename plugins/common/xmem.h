/* SPDX-License-Identifier: Apache-2.0
 *
 * Allocation for the shipped plugins: failure ends the process, as in the core. Sizes are checked.
 */
#ifndef PLUGINS_COMMON_XMEM_H
#define PLUGINS_COMMON_XMEM_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static inline void *x_checked(void *p) {
    if (!p) {
        abort();
    }
    return p;
}

static inline void *x_alloc(size_t size) {
    return x_checked(malloc(size ? size : 1));
}

/* Small pieces by malloc: glibc's calloc goes past the cache of its thread. */
static inline void *x_zalloc(size_t size) {
    return size > 1024 ? x_checked(calloc(1, size)) : memset(x_alloc(size), 0, size);
}

static inline void *x_zalloc_n(size_t n, size_t size) {
    return n <= 1024 && size <= 1024 ? x_zalloc(n * size) : x_checked(calloc(n, size));
}

static inline void *x_realloc_n(void *p, size_t n, size_t size) {
    size_t total;
    if (__builtin_mul_overflow(n, size, &total)) {
        abort();
    }
    return x_checked(realloc(p, total ? total : 1));
}

/* Room for one more element in a growing array: *cap is raised when n has reached it. */
static inline void *x_grow(void *p, size_t n, size_t *cap, size_t size) {
    if (n < *cap) {
        return p;
    }
    *cap = *cap ? *cap * 2 : 16;
    return x_realloc_n(p, *cap, size);
}

#endif
