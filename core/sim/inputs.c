/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/inputs.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/mem.h"

#define LINE_MAX_BYTES 65536u

struct inputs {
    struct loop *loop;
    struct inputs_to to;
    pthread_t thread;
    int fd, signals, wake;
    struct buf line; /* of the thread */
    bool too_long;   /* the rest of this line is left out */
    bool closed;     /* of the loop */
    bool drained;
};

struct item {
    struct inputs *in;
    char *line; /* NULL: a signal */
};

static void on_item(void *arg) {
    struct item i = *(struct item *)arg;
    mem_free(arg);
    if (!i.in->closed && i.line) {
        i.in->to.on_line(i.in->to.arg, str_c(i.line));
    } else if (!i.in->closed) {
        i.in->to.on_signal(i.in->to.arg);
    }
    mem_free(i.line);
}

static void post(struct inputs *in, char *line) {
    struct item *i = mem_alloc(sizeof(*i));
    *i = (struct item){in, line};
    loop_post(in->loop, on_item, i);
}

static void add(struct inputs *in, const char *p, size_t n) {
    for (size_t k = 0; k < n; k++) {
        if (p[k] == '\n') {
            if (!in->too_long) {
                buf_add(&in->line, "", 0);
                post(in, buf_take(&in->line));
            }
            in->too_long = false;
            buf_clear(&in->line);
        } else if (in->line.len >= LINE_MAX_BYTES) {
            in->too_long = true;
        } else {
            buf_add_c(&in->line, p[k]);
        }
    }
}

/* False: the end of it. */
static bool read_some(struct inputs *in) {
    char part[4096];
    ssize_t n = read(in->fd, part, sizeof(part));
    if (n > 0) {
        add(in, part, (size_t)n);
    }
    return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

static void *run(void *arg) {
    struct inputs *in = arg;
    struct pollfd p[3] = {{.fd = in->wake, .events = POLLIN},
                          {.fd = in->signals, .events = POLLIN},
                          {.fd = in->fd, .events = POLLIN}};
    for (;;) {
        if (poll(p, 3, -1) < 0 && errno != EINTR) {
            return NULL;
        }
        if (p[0].revents) {
            return NULL;
        }
        struct signalfd_siginfo s;
        if (p[1].revents && read(in->signals, &s, sizeof(s)) == (ssize_t)sizeof(s)) {
            post(in, NULL);
        }
        if (p[2].revents && !read_some(in)) {
            p[2].fd = -1; /* ended; signals still count */
        }
        p[1].revents = p[2].revents = 0;
    }
}

static sigset_t two_signals(void) {
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGINT);
    sigaddset(&s, SIGTERM);
    return s;
}

void inputs_block_signals(void) {
    sigset_t s = two_signals();
    pthread_sigmask(SIG_BLOCK, &s, NULL);
}

static void close_all(struct inputs *in) {
    if (in->signals >= 0) {
        close(in->signals);
    }
    if (in->wake >= 0) {
        close(in->wake);
    }
    buf_finish(&in->line);
    mem_free(in);
}

struct inputs *inputs_create(struct loop *l, int fd, const struct inputs_to *to) {
    struct inputs *in = mem_zalloc(sizeof(*in));
    sigset_t s = two_signals();
    in->loop = l;
    in->to = *to;
    in->fd = fd;
    in->signals = signalfd(-1, &s, SFD_CLOEXEC | SFD_NONBLOCK);
    in->wake = eventfd(0, EFD_CLOEXEC);
    if (in->signals < 0 || in->wake < 0 || pthread_create(&in->thread, NULL, run, in) != 0) {
        close_all(in);
        return NULL;
    }
    return in;
}

static void on_drained(void *arg) {
    ((struct inputs *)arg)->drained = true;
}

static bool drained(void *arg) {
    return ((struct inputs *)arg)->drained;
}

void inputs_destroy(struct inputs *in) {
    uint64_t one = 1;
    if (!in) {
        return;
    }
    in->closed = true;
    while (write(in->wake, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
    pthread_join(in->thread, NULL);
    loop_post(in->loop, on_drained, in); /* behind all that the thread posted */
    loop_run_until(in->loop, drained, in, INT64_C(5000000000));
    close_all(in);
}
