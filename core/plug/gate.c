/* SPDX-License-Identifier: Apache-2.0 */
#include "plug/gate.h"

#include "base/mem.h"
#include "plug/inst_priv.h"
#include "plug/must.h"

struct gate *gate_create(struct loop *l) {
    struct gate *g = mem_zalloc(sizeof(*g));
    plug_must(pthread_mutex_init(&g->lock, NULL) == 0, "a mutex can be made");
    atomic_init(&g->refs, 1);
    g->open = true;
    g->loop = l;
    return g;
}

void gate_ref(struct gate *g) {
    atomic_fetch_add(&g->refs, 1);
}

void gate_unref(struct gate *g) {
    if (atomic_fetch_sub(&g->refs, 1) != 1) {
        return;
    }
    while (g->first_free) {
        struct trl_op *op = g->first_free;
        g->first_free = op->next_free;
        mem_free(op);
    }
    pthread_mutex_destroy(&g->lock);
    mem_free(g);
}

bool gate_post(struct gate *g, void (*fn)(void *arg), void *arg) {
    pthread_mutex_lock(&g->lock);
    bool open = g->open;
    if (open) { /* under the lock: a loop is never woken after its last instance has gone */
        atomic_fetch_add(&g->pending, 1);
        loop_post(g->loop, fn, arg);
    }
    pthread_mutex_unlock(&g->lock);
    return open;
}

void gate_ran(struct gate *g) {
    atomic_fetch_sub(&g->pending, 1);
}

bool gate_try_close(struct gate *g) {
    pthread_mutex_lock(&g->lock);
    if (atomic_load(&g->pending) == 0) {
        g->open = false;
    }
    bool closed = !g->open;
    pthread_mutex_unlock(&g->lock);
    return closed;
}

void gate_close(struct gate *g) {
    pthread_mutex_lock(&g->lock);
    g->open = false;
    pthread_mutex_unlock(&g->lock);
}
