/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/trace.h"
#include "cli/nats_client.h"
#include "plane/frame.h"
#include "plane/socket.h"

struct held { /* a message that came while a reply was awaited */
    char *subject, *body;
    size_t body_len;
};

struct client {
    struct nats_client *nats; /* or the socket: */
    int fd;
    struct buf in;
    uint64_t next_id;
    int64_t timeout_ms;
    char *where;
    char trace[TRACE_LEN + 1]; /* of everything this command asks for */
    VEC(struct held) held;
};

static int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int connect_socket(const char *path) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(addr.sun_path)) {
        return -1;
    }
    memcpy(addr.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* A command is where a trace begins. */
static void begin_trace(struct client *c) {
    struct trace_ctx t = {.flags = TRACE_SAMPLED};
    uint64_t random[3];
    if (getrandom(random, sizeof(random), GRND_NONBLOCK) == (ssize_t)sizeof(random)) {
        t.hi = random[0];
        t.lo = random[1] | 1;
        t.span = random[2] | 1;
        trace_text(&t, c->trace);
    }
}

int client_open(const struct client_options *o, struct client **ret, struct err *err) {
    char *path = o->socket ? mem_strdup(o->socket) : socket_default_path(o->name);
    struct client *c = mem_zalloc(sizeof(*c));
    int rc = 0;
    c->timeout_ms = o->timeout_ms;
    begin_trace(c);
    c->fd = o->nats_url ? -1 : connect_socket(path);
    if (c->fd >= 0) {
        struct buf w = BUF_INIT;
        buf_addf(&w, "socket %s", path);
        c->where = buf_take(&w);
    } else if (o->socket) {
        rc = err_set(err, TRL_E_UNAVAIL,
                     "nothing answers on the socket %s: is `trellis up` running?", path);
    } else {
        rc = nats_client_open(o, &c->nats, err);
        c->where = mem_strdup(o->nats_url ? o->nats_url : "nats://127.0.0.1:4222");
        if (rc < 0 && !o->nats_url) {
            err_set(err, rc,
                    "nothing answers: neither the socket %s (`trellis up`) nor NATS on "
                    "127.0.0.1:4222 (--nats-url URL for another)",
                    path);
        }
    }
    mem_free(path);
    if (rc < 0) {
        client_close(c);
        return rc;
    }
    *ret = c;
    return 0;
}

void client_close(struct client *c) {
    if (!c) {
        return;
    }
    nats_client_close(c->nats);
    if (c->fd >= 0) {
        close(c->fd);
    }
    for (uint32_t i = 0; i < c->held.n; i++) {
        mem_free(c->held.at[i].subject);
        mem_free(c->held.at[i].body);
    }
    VEC_FREE(&c->held);
    buf_finish(&c->in);
    mem_free(c->where);
    mem_free(c);
}

static int send_all(struct client *c, str bytes, struct err *err) {
    while (bytes.len) {
        ssize_t n = send(c->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR) {
            return err_set(err, TRL_E_UNAVAIL, "%s: %s", c->where, strerror(errno));
        }
        bytes = str_skip(bytes, n > 0 ? (size_t)n : 0);
    }
    return 0;
}

/* Reads until one frame is complete. The frame's strings live in the arena, its body in c->in until
 * consumed. */
static int read_frame(struct client *c, int64_t until_ms, struct arena *a, struct frame *f,
                      size_t *ret_size, struct err *err) {
    for (;;) {
        long n = frame_read(buf_str(&c->in), a, f, err);
        if (n < 0) {
            return (int)n;
        }
        if (n > 0) {
            *ret_size = (size_t)n;
            return 0;
        }
        int64_t left = until_ms - now_ms();
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        if (left <= 0 || poll(&p, 1, (int)left) == 0) {
            return err_set(err, TRL_E_TIMEOUT, "%s: no answer in time", c->where);
        }
        char chunk[65536];
        ssize_t got = recv(c->fd, chunk, sizeof(chunk), 0);
        if (got == 0 || (got < 0 && errno != EINTR)) {
            return err_set(err, TRL_E_UNAVAIL, "%s: the connection was closed", c->where);
        }
        buf_add(&c->in, chunk, got > 0 ? (size_t)got : 0);
    }
}

static void consume(struct client *c, size_t n) {
    memmove(c->in.ptr, c->in.ptr + n, c->in.len - n);
    c->in.len -= n;
}

static void hold(struct client *c, const struct frame *f) {
    struct held *h = VEC_ADD(&c->held);
    h->subject = str_dup(f->subject);
    h->body = str_dup(f->body);
    h->body_len = f->body.len;
}

static int socket_request(struct client *c, str subject, const char *content_type, str body,
                          struct buf *reply, struct err *err) {
    struct buf out = BUF_INIT, id = BUF_INIT;
    buf_addf(&id, "%llu", (unsigned long long)++c->next_id);
    trl_label headers[] = {{STR(TRACE_HEADER), str_c(c->trace)},
                           {STR("Content-Type"), str_c(content_type ? content_type : "")}};
    frame_write(&out, "request", buf_str(&id), subject, headers, content_type ? 2 : 1, body);
    int64_t until = now_ms() + c->timeout_ms;
    int rc = send_all(c, buf_str(&out), err);
    bool got = false;
    while (rc == 0 && !got) {
        struct arena a = ARENA_INIT;
        struct frame f;
        size_t size = 0;
        rc = read_frame(c, until, &a, &f, &size, err);
        if (rc == 0 && strcmp(f.op, "reply") == 0 && str_eq(f.id, buf_str(&id))) {
            buf_add_str(reply, f.body);
            got = true;
        } else if (rc == 0 && strcmp(f.op, "message") == 0) {
            hold(c, &f);
        }
        consume(c, size);
        arena_finish(&a);
    }
    buf_finish(&out);
    buf_finish(&id);
    return rc;
}

int client_request(struct client *c, str subject, const char *content_type, str body,
                   struct buf *reply, struct err *err) {
    buf_clear(reply);
    return c->nats ? nats_client_request(c->nats, subject, content_type, c->trace, body, reply, err)
                   : socket_request(c, subject, content_type, body, reply, err);
}

int client_subscribe(struct client *c, str subject, struct err *err) {
    if (c->nats) {
        return nats_client_subscribe(c->nats, subject, err);
    }
    struct buf out = BUF_INIT, id = BUF_INIT;
    buf_addf(&id, "s%llu", (unsigned long long)++c->next_id);
    frame_write(&out, "subscribe", buf_str(&id), subject, NULL, 0, STR_NONE);
    int rc = send_all(c, buf_str(&out), err);
    buf_finish(&out);
    buf_finish(&id);
    return rc;
}

int client_next(struct client *c, int64_t timeout_ms, struct buf *subject, struct buf *body,
                struct err *err) {
    buf_clear(subject);
    buf_clear(body);
    if (c->nats) {
        return nats_client_next(c->nats, timeout_ms, subject, body, err);
    }
    if (c->held.n) {
        struct held h = c->held.at[0];
        memmove(c->held.at, c->held.at + 1, --c->held.n * sizeof(h));
        buf_add_str(subject, str_c(h.subject));
        buf_add(body, h.body, h.body_len);
        mem_free(h.subject);
        mem_free(h.body);
        return 0;
    }
    int64_t until = now_ms() + timeout_ms;
    for (;;) {
        struct arena a = ARENA_INIT;
        struct frame f;
        size_t size = 0;
        int rc = read_frame(c, until, &a, &f, &size, err);
        bool message = rc == 0 && strcmp(f.op, "message") == 0;
        if (message) {
            buf_add_str(subject, f.subject);
            buf_add_str(body, f.body);
        }
        consume(c, size);
        arena_finish(&a);
        if (rc < 0 || message) {
            return rc;
        }
    }
}
