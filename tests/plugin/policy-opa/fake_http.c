/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_http.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define BODY_MAX (32u << 20)

struct fake_conn {
    struct fake_conn *next;
    struct fake_http *f;
    pthread_t thread;
    int fd, broken;
    SSL *ssl; /* NULL: plain */
    char *buf;
    size_t n, cap;
};

struct fake_http {
    fake_fn fn;
    void *arg;
    int fd;
    SSL_CTX *tls;
    char url[64];
    pthread_t thread;
    pthread_mutex_t lock;
    struct fake_conn *conns;
    int ending;
    atomic_uint accepted, requests;
};

static void *must(void *p) {
    if (!p) {
        abort();
    }
    return p;
}

static ssize_t conn_send(struct fake_conn *c, const void *p, size_t n) {
    return c->ssl ? SSL_write(c->ssl, p, (int)n) : send(c->fd, p, n, MSG_NOSIGNAL);
}

static ssize_t conn_recv(struct fake_conn *c, void *p, size_t n) {
    return c->ssl ? SSL_read(c->ssl, p, (int)n) : recv(c->fd, p, n, 0);
}

void fake_raw(struct fake_conn *c, const void *bytes, size_t n) {
    const char *p = bytes;
    while (n > 0 && !c->broken) {
        ssize_t k = conn_send(c, p, n);
        if (k <= 0) {
            c->broken = 1;
            return;
        }
        p += k;
        n -= (size_t)k;
    }
}

void fake_reply(struct fake_conn *c, int status, const char *more, const char *body, size_t len) {
    char head[1024];
    int n = snprintf(head, sizeof(head), "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n%s\r\n", status,
                     len, more);
    fake_raw(c, head, (size_t)n);
    fake_raw(c, body, len);
}

void fake_json(struct fake_conn *c, int status, const char *body) {
    fake_reply(c, status, "Content-Type: application/json\r\n", body, strlen(body));
}

void fake_close(struct fake_conn *c) {
    shutdown(c->fd, SHUT_RDWR);
    c->broken = 1;
}

void fake_hold(struct fake_conn *c) {
    char byte;
    while (conn_recv(c, &byte, 1) > 0) {
    }
    c->broken = 1;
}

/* Reads until there are at least `want` bytes. */
static int more(struct fake_conn *c, size_t want) {
    while (c->n < want) {
        ssize_t k;
        if (c->n + 65536 > c->cap) {
            c->cap = 2 * c->cap + 131072;
            c->buf = must(realloc(c->buf, c->cap));
        }
        k = conn_recv(c, c->buf + c->n, 65535);
        if (k <= 0) {
            return -1;
        }
        c->n += (size_t)k;
        c->buf[c->n] = '\0';
    }
    return 0;
}

static size_t body_length(const char *head) {
    const char *at = strcasestr(head, "\r\ncontent-length:");
    return at ? strtoul(at + 17, NULL, 10) : 0;
}

static int one_request(struct fake_conn *c) {
    struct fake_req r;
    char *end, *head, *path, *space;
    size_t len, used;
    while (!c->buf || !(end = strstr(c->buf, "\r\n\r\n"))) {
        if (more(c, c->n + 1) < 0) {
            return -1;
        }
    }
    used = (size_t)(end - c->buf) + 4;
    len = body_length(c->buf);
    if (len > BODY_MAX || more(c, used + len) < 0) {
        return -1;
    }
    head = must(strndup(c->buf, used));
    char *body = must(strndup(c->buf + used, len));
    memmove(c->buf, c->buf + used + len, c->n - used - len + 1);
    c->n -= used + len;
    path = must(strdup(head));
    space = strchr(path, ' ');
    *space = '\0';
    r = (struct fake_req){path, space + 1, head, body, len};
    *strchr(space + 1, ' ') = '\0';
    atomic_fetch_add(&c->f->requests, 1);
    c->f->fn(c->f->arg, c, &r);
    free(path);
    free(head);
    free(body);
    return c->broken ? -1 : 0;
}

static void *serve(void *arg) {
    struct fake_conn *c = arg;
    sigset_t pipe;
    sigemptyset(
        &pipe); /* TLS writes may raise it; on this thread only, the plugin must cope alone */
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, NULL);
    if (c->f->tls) {
        c->ssl = must(SSL_new(c->f->tls));
        SSL_set_fd(c->ssl, c->fd);
    }
    if (!c->ssl || SSL_accept(c->ssl) == 1) {
        while (one_request(c) == 0) {
        }
    }
    shutdown(c->fd, SHUT_RDWR); /* closed when the server ends: nobody else may get the number */
    return NULL;
}

void fake_http_serve(struct fake_http *f, int fd) {
    struct fake_conn *c = must(calloc(1, sizeof(*c)));
    c->f = f;
    c->fd = fd;
    pthread_mutex_lock(&f->lock);
    c->next = f->conns;
    f->conns = c;
    if (f->ending) {
        shutdown(fd, SHUT_RDWR);
    }
    atomic_fetch_add(&f->accepted, 1);
    if (pthread_create(&c->thread, NULL, serve, c) != 0) {
        abort();
    }
    pthread_mutex_unlock(&f->lock);
}

static void *accept_all(void *arg) {
    struct fake_http *f = arg;
    int fd;
    while ((fd = accept4(f->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        fake_http_serve(f, fd);
    }
    return NULL;
}

static struct fake_http *create(fake_fn fn, void *arg, SSL_CTX *tls) {
    struct fake_http *f = must(calloc(1, sizeof(*f)));
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof(a);
    f->fn = fn;
    f->arg = arg;
    f->tls = tls;
    pthread_mutex_init(&f->lock, NULL);
    f->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (f->fd < 0 || bind(f->fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(f->fd, 64) < 0 ||
        getsockname(f->fd, (struct sockaddr *)&a, &n) < 0) {
        abort();
    }
    snprintf(f->url, sizeof(f->url), "%s://127.0.0.1:%d", tls ? "https" : "http",
             ntohs(a.sin_port));
    if (pthread_create(&f->thread, NULL, accept_all, f) != 0) {
        abort();
    }
    return f;
}

struct fake_http *fake_http_create(fake_fn fn, void *arg) {
    return create(fn, arg, NULL);
}

struct fake_http *fake_http_create_tls(fake_fn fn, void *arg, const char *cert, const char *key,
                                       const char *ca) {
    SSL_CTX *tls = must(SSL_CTX_new(TLS_server_method()));
    if (SSL_CTX_use_certificate_file(tls, cert, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_load_verify_locations(tls, ca, NULL) != 1) {
        abort();
    }
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return create(fn, arg, tls);
}

void fake_http_destroy(struct fake_http *f) {
    shutdown(f->fd, SHUT_RDWR);
    pthread_join(f->thread, NULL);
    pthread_mutex_lock(&f->lock);
    f->ending = 1;
    for (struct fake_conn *c = f->conns; c; c = c->next) {
        shutdown(c->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&f->lock);
    while (f->conns) {
        struct fake_conn *c = f->conns;
        f->conns = c->next;
        pthread_join(c->thread, NULL);
        SSL_free(c->ssl);
        close(c->fd);
        free(c->buf);
        free(c);
    }
    close(f->fd);
    SSL_CTX_free(f->tls);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

const char *fake_http_url(const struct fake_http *f) {
    return f->url;
}

uint32_t fake_http_accepted(struct fake_http *f) {
    return atomic_load(&f->accepted);
}

uint32_t fake_http_requests(struct fake_http *f) {
    return atomic_load(&f->requests);
}
