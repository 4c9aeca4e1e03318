/* SPDX-License-Identifier: Apache-2.0
 *
 * The listening socket, the daemon, and the thread that runs it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "../common/xmem.h"
#include "http.h"

#define BACKLOG            128
#define CONN_MEMORY_BYTES  (32u * 1024u) /* request line and headers of one connection */
#define FAILURES_PER_S     0.2           /* attempts with a wrong token, per address */
#define FAILURES_BURST     20.0
#define TLS_FILE_MAX_BYTES (1u << 20)

static char *read_file(const char *path, int private, trl_err *err) {
    struct stat st;
    struct text t = {NULL, 0, 0};
    char part[4096];
    ssize_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0) {
        trl_errf(err, TRL_E_INVALID, "cannot read %s: %s", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode) || st.st_size > (off_t)TLS_FILE_MAX_BYTES) {
        trl_errf(err, TRL_E_INVALID, "%s is no file of at most 1 MiB", path);
    } else if (private && (st.st_mode & 077)) {
        trl_errf(err, TRL_E_INVALID, "%s can be read by others: run 'chmod 600 %s'", path, path);
    } else {
        while ((n = read(fd, part, sizeof(part))) > 0) {
            text_add(&t, part, (size_t)n);
        }
    }
    explicit_bzero(part, sizeof(part));
    if (fd >= 0) {
        close(fd);
    }
    return t.len ? text_take(&t) : NULL;
}

static int bind_socket(int fd, const struct conf *c) {
    struct sockaddr_storage addr = c->addr;
    int rc = bind(fd, (const struct sockaddr *)&addr, c->addr_len);
    if (rc < 0 && errno == EADDRINUSE && c->any_port) {
        if (addr.ss_family == AF_INET) {
            ((struct sockaddr_in *)&addr)->sin_port = 0;
        } else {
            ((struct sockaddr_in6 *)&addr)->sin6_port = 0;
        }
        rc = bind(fd, (const struct sockaddr *)&addr, c->addr_len);
    }
    return rc;
}

static int open_socket(struct trl_inst *in, trl_err *err) {
    const struct conf *c = &in->conf;
    int one = 1;
    struct sockaddr_storage have;
    socklen_t len = sizeof(have);
    int fd = socket(c->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (c->addr.ss_family == AF_INET6) {
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
        }
    }
    if (fd < 0 || bind_socket(fd, c) < 0 || listen(fd, BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)&have, &len) < 0) {
        trl_errf(err, TRL_E_UNAVAIL, "http: cannot listen on %s: %s%s", c->listen, strerror(errno),
                 errno == EADDRINUSE ? ": choose another address in `listen`" : "");
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    in->port = ntohs(have.ss_family == AF_INET ? ((const struct sockaddr_in *)&have)->sin_port
                                               : ((const struct sockaddr_in6 *)&have)->sin6_port);
    return fd;
}

/* Connections */

static void cut_off(struct conn *c) {
    shutdown(c->fd, SHUT_RDWR); /* the daemon notices, and closes it */
    c->deadline_ns = INT64_MAX;
}

static void on_connection(void *cls, struct MHD_Connection *conn, void **socket_context,
                          enum MHD_ConnectionNotificationCode what) {
    struct trl_inst *in = cls;
    struct conn *c = *socket_context;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *addr =
            MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
        const union MHD_ConnectionInfo *fd =
            MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);
        c = x_zalloc(sizeof(*c));
        c->fd = fd ? fd->connect_fd : -1;
        c->key = limit_key(addr ? addr->client_addr : NULL);
        c->deadline_ns = in->h->now_ns(in->h->ctx) + in->conf.idle_timeout_s * NS_PER_S;
        c->next = in->conns;
        if (c->next) {
            c->next->prev = c;
        }
        in->conns = c;
        *socket_context = c;
    } else if (c) {
        *(c->prev ? &c->prev->next : &in->conns) = c->next;
        if (c->next) {
            c->next->prev = c->prev;
        }
        free(c);
        *socket_context = NULL;
    }
}

static void tick(struct trl_inst *in) {
    int64_t now = in->h->now_ns(in->h->ctx);
    for (struct conn *c = in->conns; c; c = c->next) {
        if (now > c->deadline_ns) {
            in->counts.cut_off++;
            cut_off(c);
        }
    }
    requests_tick(in, now);
    streams_tick(in, now);
}

/* The thread */

static void drain(int fd) {
    uint64_t n;
    (void)!read(fd, &n, sizeof(n));
}

/* 0: it is over. */
static int take_mail(struct trl_inst *in) {
    int more, stop;
    struct job *j = mailbox_take(&in->box, &more, &stop);
    while (j) {
        struct job *next = j->next;
        if (j->ex) {
            request_answered(j->ex, j);
        } else if (j->stream) {
            stream_fed(j->stream, j);
        } else {
            job_free(j);
        }
        j = next;
    }
    if (more) {
        streams_more(in);
    }
    return !stop;
}

static void *run(void *arg) {
    struct trl_inst *in = arg;
    struct epoll_event got[4];
    pthread_setname_np(pthread_self(), "trellis-http");
    for (int going = 1; going;) {
        MHD_UNSIGNED_LONG_LONG ms;
        int timeout = -1;
        if (MHD_get_timeout(in->daemon, &ms) == MHD_YES) {
            timeout = ms > 60000 ? 60000 : (int)ms;
        }
        int n = epoll_wait(in->epoll_fd, got, 4, timeout);
        for (int i = 0; i < n; i++) {
            if (got[i].data.fd == in->timer_fd) {
                drain(in->timer_fd);
                tick(in);
            } else if (got[i].data.fd == in->box.fd) {
                drain(in->box.fd);
            }
        }
        going = take_mail(in);
        MHD_run(in->daemon);
    }
    requests_end(in);
    streams_end(in);
    MHD_run(in->daemon); /* what was answered last goes out */
    MHD_stop_daemon(in->daemon);
    in->daemon = NULL;
    login_remove(in);
    auth_finish(&in->auth);
    return NULL;
}

static int watch_fd(int epoll_fd, int fd) {
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e);
}

static void log_line(void *cls, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
static void log_line(void *cls, const char *fmt, va_list ap) {
    const struct trl_inst *in = cls;
    char line[256];
    vsnprintf(line, sizeof(line), fmt, ap);
    line[strcspn(line, "\n")] = '\0';
    trl_logf(in->h, TRL_LOG_DEBUG, "http: %s", line);
}

static struct MHD_Daemon *start_daemon(struct trl_inst *in, int fd) {
    const struct conf *c = &in->conf;
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
                     (c->tls_cert ? MHD_USE_TLS : 0) |
                     (c->addr.ss_family == AF_INET6 ? MHD_USE_IPv6 : 0);
    struct MHD_OptionItem tls[] = {
        {c->tls_cert ? MHD_OPTION_HTTPS_MEM_CERT : MHD_OPTION_END, 0, in->tls_cert},
        {c->tls_cert ? MHD_OPTION_HTTPS_MEM_KEY : MHD_OPTION_END, 0, in->tls_key},
        {MHD_OPTION_END, 0, NULL},
    };
    return MHD_start_daemon(
        flags, in->port, NULL, NULL, request_handle, in, MHD_OPTION_EXTERNAL_LOGGER, log_line, in,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, c->max_connections,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, c->max_connections_per_address,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONN_MEMORY_BYTES,
        MHD_OPTION_CONNECTION_TIMEOUT, c->request_timeout_s, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_URI_LOG_CALLBACK, request_begin, in, MHD_OPTION_NOTIFY_COMPLETED, request_over,
        in, MHD_OPTION_NOTIFY_CONNECTION, on_connection, in, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
}

static trl_status start_thread(struct trl_inst *in, trl_err *err) {
    struct itimerspec each = {{1, 0}, {1, 0}};
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(in->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    sigset_t all, before;
    in->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    in->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    in->box.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!info || in->epoll_fd < 0 || in->timer_fd < 0 || in->box.fd < 0 ||
        timerfd_settime(in->timer_fd, 0, &each, NULL) < 0 ||
        watch_fd(in->epoll_fd, info->epoll_fd) < 0 || watch_fd(in->epoll_fd, in->timer_fd) < 0 ||
        watch_fd(in->epoll_fd, in->box.fd) < 0) {
        return trl_errf(err, TRL_E_UNAVAIL, "http: %s", strerror(errno));
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&in->thread, NULL, run, in);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        return trl_errf(err, TRL_E_UNAVAIL, "http: no thread: %s", strerror(rc));
    }
    in->has_thread = 1;
    return TRL_OK;
}

trl_status server_open(struct trl_inst *in, trl_err *err) {
    const struct conf *c = &in->conf;
    if (c->tls_cert && (!(in->tls_cert = read_file(c->tls_cert, 0, err)) ||
                        !(in->tls_key = read_file(c->tls_key, 1, err)))) {
        return err->msg_len ? err->code
                            : trl_errf(err, TRL_E_INVALID, "http: the tls files are empty");
    }
    if (c->tls_cert && MHD_is_feature_supported(MHD_FEATURE_SSL) != MHD_YES) {
        return trl_errf(err, TRL_E_UNSUPP, "http: this libmicrohttpd was built without TLS");
    }
    int fd = open_socket(in, err);
    if (fd < 0) {
        return err->code;
    }
    auth_init(&in->auth, c);
    limit_init(&in->asking, c->requests_per_second, 2.0 * c->requests_per_second);
    limit_init(&in->failing, FAILURES_PER_S, FAILURES_BURST);
    in->daemon = start_daemon(in, fd);
    if (!in->daemon) {
        close(fd);
        return trl_errf(err, TRL_E_INVALID, "http: cannot start%s",
                        c->tls_cert ? ": are tls.cert and tls.key a pair in PEM form?" : "");
    }
    if (c->login) {
        login_prepare(in);
    }
    trl_status st = start_thread(in, err);
    if (st == TRL_OK) {
        trl_logf(in->h, TRL_LOG_INFO, "listening on %s://%.*s:%u", c->tls_cert ? "https" : "http",
                 (int)(strrchr(c->listen, ':') - c->listen), c->listen, in->port);
    }
    return st;
}

void server_close(struct trl_inst *in) {
    if (in->has_thread) {
        mailbox_ring(&in->box, 0, 1);
        pthread_join(in->thread, NULL);
        in->has_thread = 0;
    } else if (in->daemon) {
        MHD_stop_daemon(in->daemon);
        in->daemon = NULL;
        login_remove(in);
    }
    int *fds[] = {&in->epoll_fd, &in->timer_fd, &in->box.fd};
    pthread_mutex_lock(&in->box.lock);
    for (size_t i = 0; i < 3; i++) {
        if (*fds[i] >= 0) {
            close(*fds[i]);
            *fds[i] = -1;
        }
    }
    pthread_mutex_unlock(&in->box.lock);
    if (in->tls_key) {
        explicit_bzero(in->tls_key, strlen(in->tls_key));
    }
    free(in->tls_cert);
    free(in->tls_key);
    in->tls_cert = in->tls_key = NULL;
}
