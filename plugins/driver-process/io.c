/* SPDX-License-Identifier: Apache-2.0 */
#include "io.h"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../common/xmem.h"

#define BATCH 64

struct io {
    struct trl_inst *d;
    pthread_t thread;
    int epoll, wake;
    struct u64map watches; /* id -> struct watch; loop only */
    uint32_t last_id;
    pthread_mutex_t lock; /* of what follows */
    uint32_t *ready;      /* ids */
    size_t n_ready, cap_ready;
    int posted;
};

/* A watch may be closed by what an earlier one did: it is looked up when its turn comes. */
static void on_ready(void *arg) {
    struct io *io = arg;
    pthread_mutex_lock(&io->lock);
    uint32_t *ids = io->ready;
    size_t n = io->n_ready;
    io->ready = NULL;
    io->n_ready = io->cap_ready = 0;
    io->posted = 0;
    pthread_mutex_unlock(&io->lock);
    for (size_t i = 0; i < n; i++) {
        struct watch *w = u64map_find(&io->watches, ids[i]);
        if (w) {
            w->fn(w->arg);
        }
    }
    free(ids);
}

static void *wait_for_all(void *arg) {
    struct io *io = arg;
    struct epoll_event ev[BATCH];
    for (;;) {
        int n = epoll_wait(io->epoll, ev, BATCH, -1), post = 0;
        pthread_mutex_lock(&io->lock);
        for (int i = 0; i < n; i++) {
            if (ev[i].data.u32 == 0) {
                pthread_mutex_unlock(&io->lock);
                return NULL;
            }
            io->ready = x_grow(io->ready, io->n_ready, &io->cap_ready, sizeof(*io->ready));
            io->ready[io->n_ready++] = ev[i].data.u32;
        }
        post = io->n_ready && !io->posted;
        io->posted |= post;
        pthread_mutex_unlock(&io->lock);
        if (post) {
            io->d->host->post(io->d->host->ctx, on_ready, io);
        }
    }
}

static int start_thread(struct io *io) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&io->thread, NULL, wait_for_all, io);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

struct io *io_create(struct trl_inst *d) {
    struct io *io = x_zalloc(sizeof(*io));
    struct epoll_event ev = {.events = EPOLLIN};
    io->d = d;
    io->epoll = epoll_create1(EPOLL_CLOEXEC);
    io->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&io->lock, NULL);
    if (io->epoll < 0 || io->wake < 0 || epoll_ctl(io->epoll, EPOLL_CTL_ADD, io->wake, &ev) < 0 ||
        start_thread(io) != 0) {
        close(io->epoll);
        close(io->wake);
        pthread_mutex_destroy(&io->lock);
        free(io);
        return NULL;
    }
    return io;
}

void io_destroy(struct io *io) {
    if (!io) {
        return;
    }
    uint64_t one = 1;
    ssize_t done = write(io->wake, &one, sizeof(one));
    (void)done; /* cannot fail: the counter is at most 1 */
    pthread_join(io->thread, NULL);
    close(io->epoll);
    close(io->wake);
    pthread_mutex_destroy(&io->lock);
    u64map_finish(&io->watches);
    free(io->ready);
    free(io);
}

int watch_open(struct io *io, struct watch *w, int fd, uint32_t events, void (*fn)(void *arg),
               void *arg) {
    *w = (struct watch){
        .id = ++io->last_id ? io->last_id : ++io->last_id, .fd = fd, .fn = fn, .arg = arg};
    struct epoll_event ev = {.events = events | EPOLLONESHOT, .data.u32 = w->id};
    if (fd < 0 || epoll_ctl(io->epoll, EPOLL_CTL_ADD, fd, &ev) < 0) {
        if (fd >= 0) {
            close(fd);
        }
        *w = (struct watch){.fd = -1};
        return -1;
    }
    u64map_put(&io->watches, w->id, w);
    return 0;
}

void watch_again(struct io *io, struct watch *w, uint32_t events) {
    struct epoll_event ev = {.events = events | EPOLLONESHOT, .data.u32 = w->id};
    if (w->id) {
        epoll_ctl(io->epoll, EPOLL_CTL_MOD, w->fd, &ev);
    }
}

void watch_close(struct io *io, struct watch *w) {
    if (w->id) {
        u64map_take(&io->watches, w->id);
        close(w->fd); /* takes it out of the set, too */
    }
    *w = (struct watch){.fd = -1};
}
