/* SPDX-License-Identifier: Apache-2.0 */
#include "plug/workers.h"

#include <pthread.h>
#include <signal.h>

#include "base/mem.h"
#include "plug/must.h"

struct job {
    struct job *next;
    void (*fn)(void *arg);
    void *arg;
};

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct job *first, *last;
    pthread_t *threads; /* [n] */
    uint32_t n, max, idle, n_queued;
    uint32_t refs; /* the owner and each thread */
    bool ending;   /* threads leave when the queue is empty */
    bool dropped;  /* ... and nothing in the queue runs any more */
};

struct workers *workers_create(uint32_t max_threads) {
    struct workers *w = mem_zalloc(sizeof(*w));
    plug_must(pthread_mutex_init(&w->lock, NULL) == 0, "a mutex can be made");
    plug_must(pthread_cond_init(&w->work, NULL) == 0, "a condition can be made");
    w->max = max_threads;
    w->refs = 1;
    w->threads = mem_array(max_threads, sizeof(*w->threads));
    return w;
}

/* Called with the lock held; gives it back. */
static void release(struct workers *w) {
    bool last = --w->refs == 0;
    pthread_mutex_unlock(&w->lock);
    if (!last) {
        return;
    }
    while (w->first) {
        struct job *j = w->first;
        w->first = j->next;
        mem_free(j);
    }
    pthread_cond_destroy(&w->work);
    pthread_mutex_destroy(&w->lock);
    mem_free(w->threads);
    mem_free(w);
}

static void *run(void *arg) {
    struct workers *w = arg;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (!w->first && !w->ending) {
            w->idle++;
            pthread_cond_wait(&w->work, &w->lock);
            w->idle--;
        }
        if (!w->first || w->dropped) {
            break;
        }
        struct job *j = w->first;
        w->first = j->next;
        w->n_queued--;
        if (!w->first) {
            w->last = NULL;
        }
        pthread_mutex_unlock(&w->lock);
        j->fn(j->arg);
        mem_free(j);
        pthread_mutex_lock(&w->lock);
    }
    release(w);
    return NULL;
}

/* With the lock held. Signals belong to the main thread, so a worker is born with all blocked. */
static void add_thread(struct workers *w) {
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&w->threads[w->n], NULL, run, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    plug_must(rc == 0 || w->n > 0, "a worker thread can be made (thread limit reached?)");
    if (rc == 0) {
        w->n++;
        w->refs++;
    }
}

void workers_submit(struct workers *w, void (*fn)(void *arg), void *arg) {
    struct job *j = mem_alloc(sizeof(*j));
    *j = (struct job){NULL, fn, arg};
    pthread_mutex_lock(&w->lock);
    if (w->last) {
        w->last->next = j;
    } else {
        w->first = j;
    }
    w->last = j;
    w->n_queued++;
    if (w->n_queued > w->idle && w->n < w->max) {
        add_thread(w);
    }
    pthread_mutex_unlock(&w->lock);
    pthread_cond_signal(&w->work); /* behind the lock: who wakes finds it free */
}

void workers_finish(struct workers *w, bool wait) {
    if (!w) {
        return;
    }
    pthread_mutex_lock(&w->lock);
    w->ending = true;
    w->dropped = !wait;
    pthread_cond_broadcast(&w->work);
    uint32_t n = w->n;
    pthread_mutex_unlock(&w->lock);
    for (uint32_t i = 0; i < n; i++) {
        if (wait) {
            pthread_join(w->threads[i], NULL);
        } else {
            pthread_detach(w->threads[i]);
        }
    }
    pthread_mutex_lock(&w->lock);
    release(w);
}
