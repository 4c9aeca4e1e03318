/* SPDX-License-Identifier: Apache-2.0 */
#include "handoff.h"

#include <sched.h>
#include <stdint.h>
#include <time.h>

void handoff_init(struct handoff *h) {
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->wake, NULL);
    h->job = h->lingers = 0;
}

void handoff_finish(struct handoff *h) {
    pthread_cond_destroy(&h->wake);
    pthread_mutex_destroy(&h->lock);
}

void handoff_give(struct handoff *h, int job) {
    pthread_mutex_lock(&h->lock);
    __atomic_store_n(&h->job, job, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&h->lock);
    pthread_cond_signal(&h->wake); /* now: it would only wait for the lock */
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int has_processors(void) {
    cpu_set_t mine;
    return sched_getaffinity(0, sizeof(mine), &mine) == 0 && CPU_COUNT(&mine) > 1;
}

int handoff_take(struct handoff *h) {
    int64_t free_ns = now_ns();
    int job;
    while (h->lingers && __atomic_load_n(&h->job, __ATOMIC_RELAXED) == 0 &&
           now_ns() - free_ns < HANDOFF_LINGER_NS) {
        sched_yield();
    }
    pthread_mutex_lock(&h->lock);
    while (h->job == 0) {
        pthread_cond_wait(&h->wake, &h->lock);
    }
    job = h->job;
    __atomic_store_n(&h->job, 0, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&h->lock);
    h->lingers = now_ns() - free_ns < HANDOFF_LINGER_NS && has_processors();
    return job;
}
