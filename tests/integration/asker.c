/* SPDX-License-Identifier: Apache-2.0 */
#include "asker.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int dial(const char *address) {
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr_in in = {.sin_family = AF_INET};
    bool local = address[0] == '/';
    const char *colon = strrchr(address, ':');
    int fd = socket(local ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(un.sun_path, sizeof(un.sun_path), "%s", address);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    in.sin_port = htons((uint16_t)(colon ? strtol(colon + 1, NULL, 10) : 0));
    const struct sockaddr *a = local ? (const struct sockaddr *)&un : (const struct sockaddr *)&in;
    if (fd >= 0 && connect(fd, a, local ? sizeof(un) : sizeof(in)) < 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

bool http_ask(const char *address, const char *path, char *body, size_t cap) {
    char text[4096];
    size_t n = 0;
    int fd = dial(address);
    int k = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path,
                     address[0] == '/' ? "x" : address);
    if (fd < 0) {
        snprintf(body, cap, "cannot connect");
        return false;
    }
    bool ok = send(fd, text, (size_t)k, MSG_NOSIGNAL) == k;
    for (ssize_t got;
         ok && n < sizeof(text) - 1 && (got = read(fd, text + n, sizeof(text) - 1 - n)) > 0;) {
        n += (size_t)got;
    }
    close(fd);
    text[n] = '\0';
    const char *at = strstr(text, "\r\n\r\n");
    ok = ok && at && strncmp(text, "HTTP/1.1 200", 12) == 0;
    snprintf(body, cap, "%s", ok ? at + 4 : n ? text : "no answer");
    return ok;
}

int free_port(void) {
    unsigned seed = (unsigned)getpid() ^ (unsigned)now_ns();
    for (;;) {
        struct sockaddr_in a = {.sin_family = AF_INET};
        int port = 20000 + (int)((unsigned)rand_r(&seed) % 12000u); /* below those of the kernel */
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        a.sin_port = htons((uint16_t)port);
        bool mine = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
        if (fd >= 0) {
            close(fd);
        }
        if (mine) {
            return port;
        }
    }
}

static void count(struct asker *a, bool ok, const char *body) {
    int64_t now = now_ns();
    pthread_mutex_lock(&a->lock);
    if (ok) {
        atomic_fetch_add(&a->good, 1);
        snprintf(a->last, sizeof(a->last), "%s", body);
        a->gap_ns = a->last_ns && now - a->last_ns > a->gap_ns ? now - a->last_ns : a->gap_ns;
        a->last_ns = now;
    } else if (atomic_fetch_add(&a->bad, 1) == 0) {
        snprintf(a->first_bad, sizeof(a->first_bad), "%s", body);
    }
    pthread_mutex_unlock(&a->lock);
}

static void *ask_on(void *arg) {
    struct asker *a = arg;
    char body[1024];
    while (!atomic_load(&a->stop)) {
        bool ok = http_ask(a->address, "/", body, sizeof(body));
        count(a, ok, body);
        poll(NULL, 0, 1);
    }
    return NULL;
}

void asker_start(struct asker *a, const char *address) {
    snprintf(a->address, sizeof(a->address), "%s", address);
    atomic_store(&a->stop, false);
    atomic_store(&a->good, 0);
    atomic_store(&a->bad, 0);
    a->last_ns = a->gap_ns = 0;
    a->last[0] = a->first_bad[0] = '\0';
    pthread_mutex_init(&a->lock, NULL);
    for (unsigned i = 0; i < ASKER_THREADS; i++) {
        if (pthread_create(&a->threads[i], NULL, ask_on, a) != 0) {
            abort();
        }
    }
    a->asking = true;
}

void asker_stop(struct asker *a) {
    if (!a->asking) {
        return;
    }
    atomic_store(&a->stop, true);
    for (unsigned i = 0; i < ASKER_THREADS; i++) {
        pthread_join(a->threads[i], NULL);
    }
    pthread_mutex_destroy(&a->lock);
    a->asking = false;
}

bool asker_says(struct asker *a, const char *text) {
    pthread_mutex_lock(&a->lock);
    bool hit = strstr(a->last, text) != NULL;
    pthread_mutex_unlock(&a->lock);
    return hit;
}
