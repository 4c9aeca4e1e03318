/* SPDX-License-Identifier: Apache-2.0 */
#include "web.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static int ask(unsigned port, const char *token, const char *path) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct timeval patience = {.tv_sec = 30};
    struct buf b = BUF_INIT;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    buf_addf(&b,
             "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAuthorization: Bearer %s\r\n"
             "Connection: close\r\n\r\n",
             path, port, token);
    bool sent = connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
                send(fd, b.ptr, b.len, MSG_NOSIGNAL) == (ssize_t)b.len;
    buf_finish(&b);
    if (!sent) {
        close(fd);
        return -1;
    }
    return fd;
}

int web_get(unsigned port, const char *token, const char *path, struct buf *out) {
    char chunk[16384];
    size_t from = out->len;
    ssize_t n;
    int status = 0, fd = ask(port, token, path);
    while (fd >= 0 && (n = read(fd, chunk, sizeof(chunk))) > 0) {
        buf_add(out, chunk, (size_t)n);
    }
    if (fd >= 0) {
        close(fd);
    }
    return out->len > from && sscanf(out->ptr + from, "HTTP/1.1 %d", &status) == 1 ? status : 0;
}

static void *read_on(void *arg) {
    struct web_stream *w = arg;
    char chunk[4096];
    ssize_t n;
    while ((n = read(w->fd, chunk, sizeof(chunk))) > 0) {
        pthread_mutex_lock(&w->lock);
        buf_add(&w->text, chunk, (size_t)n);
        pthread_mutex_unlock(&w->lock);
    }
    return NULL;
}

bool web_stream_open(struct web_stream *w, unsigned port, const char *token, const char *path) {
    struct timeval none = {0};
    *w = (struct web_stream){.fd = ask(port, token, path)};
    if (w->fd < 0) {
        return false;
    }
    setsockopt(w->fd, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof(none)); /* until it is shut */
    pthread_mutex_init(&w->lock, NULL);
    return pthread_create(&w->reader, NULL, read_on, w) == 0;
}

bool web_stream_has(struct web_stream *w, const char *word) {
    pthread_mutex_lock(&w->lock);
    bool has = w->text.len && memmem(w->text.ptr, w->text.len, word, strlen(word));
    pthread_mutex_unlock(&w->lock);
    return has;
}

void web_stream_close(struct web_stream *w) {
    shutdown(w->fd, SHUT_RDWR);
    pthread_join(w->reader, NULL);
    close(w->fd);
    pthread_mutex_destroy(&w->lock);
}
