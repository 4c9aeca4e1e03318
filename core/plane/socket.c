/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/socket.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "base/mem.h"
#include "plane/frame.h"

#define BACKLOG          16
#define HANG_UP_MS       500
#define MAX_QUEUED_BYTES (16u * 1024u * 1024u)

struct conn {
    struct socket_server *server;
    uv_pipe_t pipe;
    struct buf in;
    VEC(char *) topics;             /* "id subject" subscriptions */
    VEC(struct reply_to *) waiting; /* requests whose reply is still to come */
    char caller[64];                /* JSON: who is at the other end, as the kernel says */
    bool closing, closed;
};

struct reply_to {
    struct conn *conn;
    char *id;
};

struct socket_server {
    struct plane *plane;
    const struct log *log;
    uv_pipe_t pipe;
    char *path;
    VEC(struct conn *) conns;
    bool stopping, pipe_closed;
    void (*done)(void *arg);
    void *done_arg;
};

struct write {
    uv_write_t req;
    char *data;
};

static void on_written(uv_write_t *req, int status) {
    struct write *w = CONTAINER_OF(req, struct write, req);
    (void)status;
    mem_free(w->data);
    mem_free(w);
}

static void check_done(struct socket_server *s) {
    bool open = !s->pipe_closed;
    for (uint32_t i = 0; i < s->conns.n; i++) {
        open |= !s->conns.at[i]->closed;
    }
    if (s->stopping && !open && s->done) {
        void (*done)(void *) = s->done;
        s->done = NULL;
        done(s->done_arg);
    }
}

static void conn_release(struct conn *c) {
    for (uint32_t i = 0; i < c->waiting.n; i++) {
        mem_free(c->waiting.at[i]->id);
        mem_free(c->waiting.at[i]);
    }
    for (uint32_t i = 0; i < c->topics.n; i++) {
        mem_free(c->topics.at[i]);
    }
    VEC_FREE(&c->waiting);
    VEC_FREE(&c->topics);
    buf_finish(&c->in);
    mem_free(c);
}

/* While replies are under way they point here. */
static void conn_free(struct conn *c) {
    struct socket_server *s = c->server;
    if (!c->closed || c->waiting.n || s->stopping) {
        check_done(s);
        return;
    }
    for (uint32_t i = 0; i < s->conns.n; i++) {
        if (s->conns.at[i] == c) {
            s->conns.at[i] = s->conns.at[--s->conns.n];
            break;
        }
    }
    conn_release(c);
}

static void on_conn_closed(uv_handle_t *h) {
    struct conn *c = h->data;
    c->closed = true;
    conn_free(c);
}

static void conn_close(struct conn *c) {
    if (!c->closing) {
        c->closing = true;
        uv_close((uv_handle_t *)&c->pipe, on_conn_closed);
    }
}

static void conn_send(struct conn *c, const char *op, str id, str subject, str body) {
    if (c->closing) {
        return;
    }
    if (c->pipe.write_queue_size > MAX_QUEUED_BYTES) {
        log_warn(c->server->log, "a client of the local socket reads too slowly: closed");
        conn_close(c);
        return;
    }
    struct buf out = BUF_INIT;
    frame_write(&out, op, id, subject, NULL, 0, body);
    struct write *w = mem_zalloc(sizeof(*w));
    uv_buf_t b = uv_buf_init(out.ptr, (unsigned)out.len);
    w->data = out.ptr;
    if (uv_write(&w->req, (uv_stream_t *)&c->pipe, &b, 1, on_written) < 0) {
        mem_free(w->data);
        mem_free(w);
        conn_close(c);
    }
}

static void on_api_reply(void *arg, str json) {
    struct reply_to *r = arg;
    struct conn *c = r->conn;
    conn_send(c, "reply", str_c(r->id), STR_NONE, json);
    for (uint32_t i = 0; i < c->waiting.n; i++) {
        if (c->waiting.at[i] == r) {
            c->waiting.at[i] = c->waiting.at[--c->waiting.n];
            break;
        }
    }
    mem_free(r->id);
    mem_free(r);
    conn_free(c);
}

/* Token-wise match with '*' and '>'. */
static bool subject_matches(str pattern, str subject) {
    while (pattern.ptr && subject.ptr) {
        str p_rest, s_rest;
        str p = str_cut(pattern, '.', &p_rest), s = str_cut(subject, '.', &s_rest);
        if (str_is(p, ">")) {
            return true;
        }
        if (!str_is(p, "*") && !str_eq(p, s)) {
            return false;
        }
        pattern = p_rest;
        subject = s_rest;
    }
    return !pattern.ptr && !subject.ptr;
}

static void on_published(void *arg, str subject, str body) {
    struct socket_server *s = arg;
    for (uint32_t i = 0; !s->stopping && i < s->conns.n; i++) {
        struct conn *c = s->conns.at[i];
        for (uint32_t k = 0; k < c->topics.n; k++) {
            str pattern, id = str_cut(str_c(c->topics.at[k]), ' ', &pattern);
            if (subject_matches(pattern, subject)) {
                conn_send(c, "message", id, subject, body);
            }
        }
    }
}

static void unsubscribe(struct conn *c, str id) {
    for (uint32_t i = c->topics.n; i-- > 0;) {
        str rest;
        if (str_eq(str_cut(str_c(c->topics.at[i]), ' ', &rest), id)) {
            mem_free(c->topics.at[i]);
            c->topics.at[i] = c->topics.at[--c->topics.n];
        }
    }
}

static void on_frame(struct conn *c, const struct frame *f) {
    if (strcmp(f->op, "request") == 0) {
        struct api *api = plane_api(c->server->plane);
        if (!api) {
            conn_send(
                c, "reply", f->id, STR_NONE,
                STR("{\"message\":\"starting: try again in a second\",\"result\":\"error\"}"));
            return;
        }
        struct reply_to *r = mem_zalloc(sizeof(*r));
        r->conn = c;
        r->id = str_dup(f->id);
        *VEC_ADD(&c->waiting) = r;
        api_request_by(api, str_c(c->caller), f->subject, f->headers, f->n_headers, f->body,
                       on_api_reply, r);
    } else if (strcmp(f->op, "subscribe") == 0) {
        struct buf topic = BUF_INIT;
        buf_addf(&topic, "%.*s %.*s", PSTR(f->id), PSTR(f->subject));
        *VEC_ADD(&c->topics) = buf_take(&topic);
    } else if (strcmp(f->op, "unsubscribe") == 0) {
        unsubscribe(c, f->id);
    }
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *b) {
    (void)h;
    b->base = mem_alloc(hint);
    b->len = hint;
}

static void drain_frames(struct conn *c) {
    size_t used = 0;
    while (!c->closing) {
        struct arena a = ARENA_INIT;
        struct frame f;
        struct err e = ERR_INIT;
        long n = frame_read(str_skip(buf_str(&c->in), used), &a, &f, &e);
        if (n > 0) {
            on_frame(c, &f);
            used += (size_t)n;
        } else if (n < 0) {
            log_warn(c->server->log, "local socket: %s", e.msg);
            conn_close(c);
        }
        arena_finish(&a);
        if (n <= 0) {
            break;
        }
    }
    if (used) {
        memmove(c->in.ptr, c->in.ptr + used, c->in.len - used);
        c->in.len -= used;
    }
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b) {
    struct conn *c = stream->data;
    if (n > 0) {
        buf_add(&c->in, b->base, (size_t)n);
        drain_frames(c);
    } else if (n < 0) {
        conn_close(c);
    }
    mem_free(b->base);
}

static bool peer_allowed(struct conn *c) {
    uv_os_fd_t fd;
    struct ucred cred;
    socklen_t len = sizeof(cred);
    if (uv_fileno((uv_handle_t *)&c->pipe, &fd) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0) {
        return false;
    }
    snprintf(c->caller, sizeof(c->caller), "{\"id\":\"uid:%u\",\"via\":\"socket\"}",
             (unsigned)cred.uid);
    return cred.uid == 0 || cred.uid == geteuid();
}

static void on_connect(uv_stream_t *server, int status) {
    struct socket_server *s = server->data;
    if (status < 0) {
        return;
    }
    struct conn *c = mem_zalloc(sizeof(*c));
    c->server = s;
    c->pipe.data = c;
    if (uv_pipe_init(server->loop, &c->pipe, 0) < 0) {
        mem_free(c);
        return;
    }
    *VEC_ADD(&s->conns) = c;
    c->pipe.data = c;
    if (uv_accept(server, (uv_stream_t *)&c->pipe) < 0 || !peer_allowed(c) ||
        uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read) < 0) {
        conn_close(c);
    }
}

/* A descriptor, or -1: a path left by a killed process answers nobody. */
static int try_connect(const char *path) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* Is somebody there? What a killed process was about to start has its descriptors for another
 * moment, also the locks that are wanted next: then it hangs up, and is gone when asked again. */
static bool answers(const char *path) {
    struct pollfd first = {.fd = try_connect(path)};
    if (first.fd < 0) {
        return false;
    }
    bool hung_up = poll(&first, 1, HANG_UP_MS) == 1;
    int again = hung_up ? try_connect(path) : -1;
    close(first.fd);
    if (again >= 0) {
        close(again);
    }
    return !hung_up || again >= 0;
}

static int make_dir(const char *path, struct err *err) {
    char *dir = mem_strdup(path);
    char *slash = strrchr(dir, '/');
    int rc = 0;
    for (char *p = dir + 1; slash && slash != dir && p <= slash && rc == 0; p++) {
        if (*p == '/') {
            *p = '\0';
            if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
                rc = err_set(err, TRL_E_DENIED, "cannot make the directory %s: %s", dir,
                             strerror(errno));
            }
            *p = '/';
        }
    }
    mem_free(dir);
    return rc;
}

int socket_server_create(struct plane *p, struct loop *loop, const struct log *log,
                         const char *path, struct socket_server **ret, struct err *err) {
    struct sockaddr_un addr;
    if (strlen(path) >= sizeof(addr.sun_path)) {
        return err_set(
            err, TRL_E_INVALID,
            "the socket path %s is longer than %zu bytes: set TRELLIS_SOCKET to a shorter one",
            path, sizeof(addr.sun_path) - 1);
    }
    int rc = make_dir(path, err);
    if (rc < 0) {
        return rc;
    }
    if (answers(path)) {
        return err_set(err, TRL_E_CONFLICT,
                       "another trellis listens on %s: give it more with `trellis app apply FILE`, "
                       "stop it, or "
                       "choose another --name or TRELLIS_SOCKET",
                       path);
    }
    unlink(path);
    struct socket_server *s = mem_zalloc(sizeof(*s));
    s->plane = p;
    s->log = log;
    s->path = mem_strdup(path);
    uv_pipe_init(loop_uv(loop), &s->pipe, 0);
    s->pipe.data = s;
    rc = uv_pipe_bind(&s->pipe, path);
    if (rc == 0) {
        chmod(path, 0600);
        rc = uv_listen((uv_stream_t *)&s->pipe, BACKLOG, on_connect);
    }
    *ret = s; /* also on failure: its handle has to be closed */
    if (rc < 0) {
        return err_set(err, TRL_E_DENIED, "cannot listen on %s: %s", path, uv_strerror(rc));
    }
    return 0;
}

void socket_server_watch(struct socket_server *s) {
    api_watch(plane_api(s->plane), on_published, s);
}

static void on_pipe_closed(uv_handle_t *h) {
    struct socket_server *s = h->data;
    s->pipe_closed = true;
    check_done(s);
}

void socket_server_stop(struct socket_server *s, void (*done)(void *arg), void *arg) {
    s->stopping = true;
    s->done = done;
    s->done_arg = arg;
    unlink(s->path);
    for (uint32_t i = 0; i < s->conns.n; i++) {
        conn_close(s->conns.at[i]);
    }
    uv_close((uv_handle_t *)&s->pipe, on_pipe_closed);
}

void socket_server_destroy(struct socket_server *s) {
    if (!s) {
        return;
    }
    for (uint32_t i = 0; i < s->conns.n; i++) {
        conn_release(s->conns.at[i]);
    }
    VEC_FREE(&s->conns);
    mem_free(s->path);
    mem_free(s);
}

char *state_default_dir(void) {
    const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    struct buf b = BUF_INIT;
    if (xdg && *xdg) {
        buf_addf(&b, "%s/trellis", xdg);
    } else if (geteuid() == 0) {
        buf_addf(&b, "/var/lib/trellis");
    } else {
        buf_addf(&b, "%s/.local/state/trellis", home ? home : "/tmp");
    }
    return buf_take(&b);
}

char *socket_default_path(const char *name) {
    const char *fixed = getenv("TRELLIS_SOCKET"), *run = getenv("XDG_RUNTIME_DIR");
    struct buf b = BUF_INIT;
    if (fixed && *fixed) {
        return mem_strdup(fixed);
    }
    if (run && *run) {
        buf_addf(&b, "%s/trellis/%s.sock", run, name);
    } else if (geteuid() == 0) {
        buf_addf(&b, "/run/trellis/%s.sock", name);
    } else {
        char *state = state_default_dir();
        buf_addf(&b, "%s/%s.sock", state, name);
        mem_free(state);
    }
    return buf_take(&b);
}
