/* SPDX-License-Identifier: Apache-2.0 */
#include "box.h"

#include <pthread.h>
#include <stdatomic.h>

#include "../common/xmem.h"

struct box {
    atomic_uint refs; /* the owner, each sink that puts, the post under way */
    pthread_mutex_t lock;
    struct msgbin bin;
    const trl_host *host;
    struct box_item *first, **last;
    int posted, closed;
};

struct box *box_create(const trl_host *h) {
    struct box *b = x_zalloc(sizeof(*b));
    atomic_init(&b->refs, 1);
    pthread_mutex_init(&b->lock, NULL);
    msgbin_init(&b->bin);
    b->host = h;
    b->last = &b->first;
    return b;
}

struct box *box_ref(struct box *b) {
    atomic_fetch_add(&b->refs, 1);
    return b;
}

void box_unref(struct box *b) {
    if (b && atomic_fetch_sub(&b->refs, 1) == 1) {
        msgbin_finish(&b->bin);
        pthread_mutex_destroy(&b->lock);
        free(b);
    }
}

struct msgbin *box_bin(struct box *b) {
    return &b->bin;
}

static struct box_item *take_all(struct box *b) {
    struct box_item *it = b->first;
    b->first = NULL;
    b->last = &b->first;
    return it;
}

static void drain(void *arg) {
    struct box *b = arg;
    struct box_item *it;
    pthread_mutex_lock(&b->lock);
    b->posted = 0;
    it = take_all(b);
    pthread_mutex_unlock(&b->lock);
    while (it) {
        struct box_item *next = it->next;
        int closed;
        pthread_mutex_lock(&b->lock); /* an item before may have closed the box */
        closed = b->closed;
        pthread_mutex_unlock(&b->lock);
        if (closed) {
            it->drop(it);
        } else {
            it->run(it);
        }
        it = next;
    }
    box_unref(b);
}

void box_put(struct box *b, struct box_item *it) {
    it->next = NULL;
    pthread_mutex_lock(&b->lock);
    if (b->closed) {
        pthread_mutex_unlock(&b->lock);
        it->drop(it);
        return;
    }
    *b->last = it;
    b->last = &it->next;
    /* Posting under the lock: once box_close has run, nobody may touch the host. */
    if (!b->posted) {
        box_ref(b);
        b->posted = b->host->post(b->host->ctx, drain, b) == TRL_OK;
        if (!b->posted) {
            atomic_fetch_sub(&b->refs, 1); /* not the last one: the caller has its own */
        }
    }
    pthread_mutex_unlock(&b->lock);
}

void box_close(struct box *b) {
    struct box_item *it;
    pthread_mutex_lock(&b->lock);
    b->closed = 1;
    it = take_all(b);
    pthread_mutex_unlock(&b->lock);
    while (it) {
        struct box_item *next = it->next;
        it->drop(it);
        it = next;
    }
}
