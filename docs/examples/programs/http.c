/* SPDX-License-Identifier: Apache-2.0
 *
 * An update refuses nobody: the sockets come from Trellis (LISTEN_FDS, as from systemd), so the
 * next process gets the same ones; and after SIGTERM a request that was accepted is still answered.
 */
#define _GNU_SOURCE
#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_SOCKETS     32
#define MAX_CONNECTIONS 64 /* further ones wait in the queue of the socket */
#define PATIENCE_S      5  /* for a client to say something */

static void (*handler)(const struct request *r, struct answer *a);
static volatile sig_atomic_t stopping;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t fewer = PTHREAD_COND_INITIALIZER;
static int connections; /* guarded by lock */

static void on_term(int signum) {
    (void)signum;
    stopping = 1;
}

const char *env(const char *name, const char *otherwise) {
    const char *v = getenv(name);
    return v ? v : otherwise;
}

static int number(const char *text) {
    return (int)strtol(text, NULL, 10);
}

void say(struct answer *a, const char *format, ...) {
    size_t n = strlen(a->body);
    va_list ap;
    va_start(ap, format);
    vsnprintf(a->body + n, sizeof(a->body) - n, format, ap);
    va_end(ap);
}

void secret(const char *name, char *value, size_t cap) {
    char variable[128];
    snprintf(variable, sizeof(variable), "TRELLIS_SECRET_%s_FILE", name);
    FILE *f = fopen(env(variable, ""), "re");
    size_t n = f ? fread(value, 1, cap - 1, f) : 0;
    value[n] = '\0';
    value[strcspn(value, "\r\n")] = '\0';
    if (f) {
        fclose(f);
    }
}

/* Reads until the end of the head (server) or of everything (client). */
static size_t receive(int fd, char *text, size_t cap, int head_only) {
    size_t n = 0;
    ssize_t k;
    while (n < cap - 1 && (k = read(fd, text + n, cap - 1 - n)) > 0) {
        n += (size_t)k;
        text[n] = '\0';
        if (head_only && strstr(text, "\r\n\r\n")) {
            break;
        }
    }
    text[n] = '\0';
    return n;
}

int http_get(const char *address, const char *key, char *body, size_t cap) {
    const char *colon = strrchr(address, ':'), *text;
    struct sockaddr_in a = {.sin_family = AF_INET};
    char host[64], answer[8192];
    int status = -1;
    snprintf(host, sizeof(host), "%.*s", colon ? (int)(colon - address) : 0, address);
    a.sin_port = htons((unsigned short)number(colon ? colon + 1 : "0"));
    body[0] = '\0';
    int fd = inet_pton(AF_INET, host, &a.sin_addr) == 1
                 ? socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)
                 : -1;
    if (fd < 0) {
        return -1;
    }
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
        dprintf(fd, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s%s%s\r\n", address,
                *key ? "Authorization: Bearer " : "", key, *key ? "\r\n" : "") > 0 &&
        receive(fd, answer, sizeof(answer), 0) > 12 && (text = strstr(answer, "\r\n\r\n"))) {
        status = number(answer + 9);
        snprintf(body, cap, "%s", text + 4);
    }
    close(fd);
    return status;
}

static void answer_to(int fd, const struct request *r) {
    struct answer a = {.status = 200, .body = ""};
    if (strcmp(r->path, "/healthz") == 0) {
        say(&a, "ok\n");
    } else if (strcmp(r->path, "/pid") == 0) {
        say(&a, "%d\n", (int)getpid());
    } else {
        handler(r, &a);
    }
    dprintf(fd,
            "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n"
            "Connection: close\r\n\r\n%s",
            a.status, a.status == 200 ? "OK" : "Error", strlen(a.body), a.body);
}

static void *serve_one(void *arg) {
    int fd = (int)(long)arg;
    char text[8192];
    struct request r = {.path = "", .key = ""};
    struct timeval patience = {PATIENCE_S, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    receive(fd, text, sizeof(text), 1);
    if (sscanf(text, "GET %255s", r.path) == 1) {
        const char *key = strcasestr(text, "\r\nAuthorization: Bearer ");
        if (key) {
            sscanf(key + 24, "%255s", r.key);
        }
        answer_to(fd, &r);
    }
    shutdown(fd, SHUT_WR);
    while (read(fd, text, sizeof(text)) > 0) { /* a reset would cut the answer off */
    }
    close(fd);
    pthread_mutex_lock(&lock);
    connections--;
    pthread_cond_signal(&fewer);
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void wait_until_fewer_than(int n) {
    pthread_mutex_lock(&lock);
    while (connections >= n) {
        pthread_cond_wait(&fewer, &lock);
    }
    pthread_mutex_unlock(&lock);
}

static void take(int socket) {
    wait_until_fewer_than(MAX_CONNECTIONS);
    int fd = accept4(socket, NULL, NULL, SOCK_CLOEXEC);
    pthread_t t;
    if (fd < 0) {
        return; /* another process of the unit was faster */
    }
    pthread_mutex_lock(&lock);
    connections++;
    pthread_mutex_unlock(&lock);
    if (pthread_create(&t, NULL, serve_one, (void *)(long)fd) == 0) {
        pthread_detach(t);
    } else {
        serve_one((void *)(long)fd);
    }
}

int http_serve(const char *name, void (*handle)(const struct request *r, struct answer *a)) {
    struct pollfd sockets[MAX_SOCKETS];
    int n = number(env("LISTEN_FDS", "0"));
    struct sigaction term = {.sa_handler = on_term};
    sigset_t terms, before;
    handler = handle;
    sigemptyset(&terms);
    sigaddset(&terms, SIGTERM);
    sigprocmask(SIG_BLOCK, &terms, &before); /* let in only while nothing is being accepted */
    sigaction(SIGTERM, &term, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (n < 1 || n > MAX_SOCKETS || number(env("LISTEN_PID", "0")) != (int)getpid()) {
        fprintf(stderr, "%s: no sockets were handed over: list one under `listen`\n", name);
        return 2;
    }
    for (int i = 0; i < n; i++) {
        sockets[i] = (struct pollfd){3 + i, POLLIN, 0};
        fcntl(3 + i, F_SETFL, O_NONBLOCK);
    }
    printf("%s %s: serving %d socket%s\n", name, VERSION, n, n == 1 ? "" : "s");
    fflush(stdout);
    while (!stopping) {
        if (ppoll(sockets, (nfds_t)n, NULL, &before) < 0) {
            if (errno == EINTR) {
                continue;
            }
            return 1;
        }
        for (int i = 0; i < n; i++) {
            if (sockets[i].revents) {
                take(sockets[i].fd);
            }
        }
    }
    wait_until_fewer_than(1);
    printf("%s %s: finished\n", name, VERSION);
    return 0;
}
