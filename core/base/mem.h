/* SPDX-License-Identifier: Apache-2.0
 *
 * Allocation. Exhaustion ends the process with one line on stderr: everything acknowledged is in
 * the store, and a restart recovers it (docs/adr/0003-out-of-memory.md). So nothing here returns
 * NULL.
 */
#ifndef TRELLIS_BASE_MEM_H
#define TRELLIS_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

void *mem_alloc(size_t n);                  /* owned; contents undefined */
void *mem_zalloc(size_t n);                 /* owned; zeroed */
void *mem_array(size_t n, size_t size);     /* owned; zeroed; n * size checked */
void *mem_realloc(void *p, size_t n);       /* p: taken; result owned */
void *mem_dup(const void *p, size_t n);     /* owned */
char *mem_strndup(const char *s, size_t n); /* owned, NUL-terminated */
char *mem_strdup(const char *s);            /* owned; NULL gives NULL */
void mem_free(void *p);                     /* NULL is fine */

/* Makes room for `need` elements of `size` bytes in a growing array. */
void *mem_grow(void *p, uint32_t *cap, uint32_t need, size_t size);

/* A growing array: struct { T *at; uint32_t n, cap; } */
#define VEC(T)                                                                                     \
    struct {                                                                                       \
        T *at;                                                                                     \
        uint32_t n, cap;                                                                           \
    }
/* Appends one zeroed element, evaluates to a pointer to it. */
#define VEC_ADD(v)                                                                                 \
    ((v)->at = mem_grow((v)->at, &(v)->cap, (v)->n + 1, sizeof(*(v)->at)),                         \
     (v)->at + mem_zero_slot((v)->at + (v)->n, sizeof(*(v)->at), &(v)->n))
#define VEC_FREE(v)                                                                                \
    do {                                                                                           \
        mem_free((v)->at);                                                                         \
        (v)->at = NULL;                                                                            \
        (v)->n = (v)->cap = 0;                                                                     \
    } while (0)
uint32_t mem_zero_slot(void *slot, size_t size, uint32_t *n); /* for VEC_ADD; returns the index */

#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define ARRAY_LEN(a)                    (sizeof(a) / sizeof((a)[0]))

#endif
