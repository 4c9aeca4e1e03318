/* SPDX-License-Identifier: Apache-2.0 */
#include "health.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "../common/xmem.h"
#include "keeper/keeper.h"
#include "listen.h"
#include "spawn.h"

struct exec_job {
    struct job job;
    struct health *h; /* NULL: nobody waits for it any more */
    char *dir;
    int64_t timeout_ms;
    char text[160];
    int ok;
};

static void check(void *arg);

static void end_check(struct health *h) {
    wake_stop(&h->limit);
    watch_close(h->d->io, &h->sock);
    if (h->exec) {
        h->exec->h = NULL;
        h->exec = NULL;
    }
    h->running = 0;
}

static void plan_next(struct health *h) {
    int64_t delay = h->spec.interval_ns;
    if (!h->ready && delay > 100 * NS_PER_MS) { /* while it starts, somebody waits */
        delay = 100 * NS_PER_MS;
    }
    wake_start(&h->next, &h->d->desk, delay, check, h);
}

static void passed(struct health *h) {
    end_check(h);
    h->failures = 0;
    plan_next(h);
    if (!h->ready) {
        h->ready = 1;
        h->on_ready(h->arg);
    }
}

__attribute__((format(printf, 2, 3))) static void failed(struct health *h, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(h->why, sizeof(h->why), fmt, ap);
    va_end(ap);
    end_check(h);
    h->failures++;
    plan_next(h);
    if (h->ready && h->failures >= h->spec.threshold) {
        h->on_failed(h->arg, h->why);
    } else if (!h->ready && now_ns(h->d) - h->begun_ns >= h->spec.grace_ns) {
        char text[256];
        snprintf(text, sizeof(text), "not ready within %lld ms: %s",
                 (long long)(h->spec.grace_ns / NS_PER_MS), h->why);
        h->on_failed(h->arg, text);
    }
}

static void on_limit(void *arg) {
    struct health *h = arg;
    failed(h, "no answer within %lld ms", (long long)(h->spec.timeout_ns / NS_PER_MS));
}

/* HTTP and TCP */

static void read_answer(struct health *h) {
    ssize_t n = recv(h->sock.fd, h->answer + h->n_answer, sizeof(h->answer) - 1 - h->n_answer, 0);
    int code = 0;
    if (n < 0 && errno == EAGAIN) {
        watch_again(h->d->io, &h->sock, EPOLLIN);
        return;
    }
    h->n_answer += n > 0 ? (size_t)n : 0;
    h->answer[h->n_answer] = '\0';
    if (n > 0 && h->n_answer < 13) {
        watch_again(h->d->io, &h->sock, EPOLLIN);
    } else if (sscanf(h->answer, "HTTP/1.%*d %d", &code) != 1) {
        failed(h, "%s",
               n < 0             ? strerror(errno)
               : h->n_answer > 0 ? "the answer is no HTTP"
                                 : "the connection ended without an answer");
    } else if (code >= 200 && code < 400) {
        passed(h);
    } else {
        failed(h, "%s answered %d", h->spec.path, code);
    }
}

static void on_socket(void *arg) {
    struct health *h = arg;
    int error = 0;
    socklen_t len = sizeof(error);
    if (h->sent) {
        read_answer(h);
        return;
    }
    getsockopt(h->sock.fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error) {
        failed(h, "cannot connect to %s: %s", h->address, strerror(error));
        return;
    }
    if (h->spec.kind == HEALTH_TCP) {
        passed(h);
        return;
    }
    char text[1200];
    int n = snprintf(text, sizeof(text),
                     "GET %.1000s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: trellis-health\r\n"
                     "Connection: close\r\n\r\n",
                     h->spec.path);
    ssize_t done = send(h->sock.fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (done != n) { /* an empty send buffer takes this much */
        failed(h, "cannot ask %s: %s", h->address, strerror(errno));
        return;
    }
    h->sent = (size_t)n;
    watch_again(h->d->io, &h->sock, EPOLLIN);
}

static void check_socket(struct health *h) {
    int fd = listen_connect(h->address);
    h->sent = h->n_answer = 0;
    if (fd < 0) {
        failed(h, "cannot connect to %s: %s", h->address, strerror(errno));
    } else if (watch_open(h->d->io, &h->sock, fd, EPOLLOUT, on_socket, h) < 0) {
        failed(h, "no descriptors are left");
    }
}

/* A program of its own, with the process's user and environment */

static void run_check(struct job *j) {
    struct exec_job *e = (struct exec_job *)(void *)j;
    e->ok = spawn_check(j->d, e->dir, e->timeout_ms, e->text, sizeof(e->text)) == 0;
}

static void on_checked(struct job *j) {
    struct exec_job *e = (struct exec_job *)(void *)j;
    struct health *h = e->h;
    if (h) {
        h->exec = NULL;
        if (e->ok) {
            passed(h);
        } else {
            failed(h, "%s", e->text);
        }
    }
    free(e->dir);
    free(e);
}

static void check(void *arg) {
    struct health *h = arg;
    int64_t age = now_ns(h->d) - h->begun_ns;
    if (h->running) {
        return;
    }
    h->running = 1;
    switch (h->spec.kind) {
    case HEALTH_HTTP:
    case HEALTH_TCP:
        wake_start(&h->limit, &h->d->desk, h->spec.timeout_ns, on_limit, h);
        check_socket(h);
        break;
    case HEALTH_EXEC:
        h->exec = x_zalloc(sizeof(*h->exec));
        h->exec->h = h;
        h->exec->dir = text_dup(trl_cstr((const char *)h->address));
        h->exec->timeout_ms = h->spec.timeout_ns / NS_PER_MS;
        job_start(&h->exec->job, h->d, run_check, on_checked);
        break;
    case HEALTH_NOTIFY:
        if (age >= h->spec.grace_ns) {
            failed(h, "it has not said READY=1");
        } else {
            h->running = 0;
            wake_start(&h->next, &h->d->desk, h->spec.grace_ns - age, check, h);
        }
        break;
    default:
        h->running = 0;
        h->ready = 1;
        h->on_ready(h->arg);
        break;
    }
}

void health_start(struct health *h, struct trl_inst *d, struct health_spec spec,
                  const char *address, const char *run_dir, int ready) {
    h->d = d;
    h->spec = spec;
    h->address = spec.kind == HEALTH_EXEC ? run_dir : address;
    h->begun_ns = now_ns(d);
    h->ready = ready;
    h->sock.fd = -1;
    if ((spec.kind == HEALTH_HTTP || spec.kind == HEALTH_TCP) && !h->address) {
        h->spec.kind = HEALTH_ALIVE; /* adopted without its own listener: nothing can be asked */
    }
    int waits = h->spec.kind == HEALTH_ALIVE || h->spec.kind == HEALTH_NOTIFY;
    if (ready && waits) {
        return;
    }
    wake_start(&h->next, &d->desk, h->spec.kind == HEALTH_ALIVE ? h->spec.settle_ns : 0, check, h);
}

void health_stop(struct health *h) {
    if (h->d) {
        wake_stop(&h->next);
        end_check(h);
    }
}

void health_notified(struct health *h) {
    if (h->d && h->spec.kind == HEALTH_NOTIFY && !h->ready) {
        wake_stop(&h->next);
        h->ready = 1;
        h->on_ready(h->arg);
    }
}
