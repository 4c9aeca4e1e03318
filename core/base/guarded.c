/* SPDX-License-Identifier: Apache-2.0 */
#include "base/guarded.h"

#include <sodium.h>
#include <string.h>

struct guarded { /* lives in guarded memory itself: the length is nobody's business either */
    size_t len;
    unsigned char bytes[];
};

void *guarded_alloc(size_t n) {
    if (sodium_init() < 0) {
        return NULL;
    }
    void *p = sodium_malloc(n ? n : 1);
    /* sodium_malloc goes on when mlock fails; a value that can be swapped out is not guarded. */
    if (p && sodium_mlock(p, n ? n : 1) != 0) {
        sodium_free(p);
        return NULL;
    }
    return p;
}

void guarded_release(void *p) {
    sodium_free(p);
}

struct guarded *guarded_create(const void *bytes, size_t n) {
    /* sodium places a block at the end of its pages: a multiple of the alignment keeps len aligned.
     */
    size_t size = (sizeof(struct guarded) + n + sizeof(size_t) - 1) & ~(sizeof(size_t) - 1);
    struct guarded *g = guarded_alloc(size);
    if (g) {
        g->len = n;
        if (n) {
            memcpy(g->bytes, bytes, n);
        }
    }
    return g;
}

void guarded_free(struct guarded *g) {
    guarded_release(g);
}

str guarded_bytes(const struct guarded *g) {
    return str_n((const char *)g->bytes, g->len);
}
