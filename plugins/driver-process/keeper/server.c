/* SPDX-License-Identifier: Apache-2.0 */
#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "keeper.h"

int server_open(struct server *s) {
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = KEEPER_SOCK};
    for (int i = 0; i < SERVER_CLIENTS; i++) {
        s->clients[i] = -1;
    }
    unlink(KEEPER_SOCK);
    s->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t before = umask(0177);
    int rc = s->listener < 0 || bind(s->listener, (struct sockaddr *)&a, sizeof(a)) < 0 ||
                     listen(s->listener, SERVER_CLIENTS) < 0
                 ? -1
                 : 0;
    umask(before);
    return rc;
}

static void leave(struct server *s, int i) {
    close(s->clients[i]);
    s->clients[i] = -1;
}

void server_close(struct server *s) {
    for (int i = 0; i < SERVER_CLIENTS; i++) {
        if (s->clients[i] >= 0) {
            leave(s, i);
        }
    }
    close(s->listener);
    unlink(KEEPER_SOCK);
}

/* The directory is closed to others; the peer's user is checked all the same. */
static int may_ask(int fd) {
    struct ucred who;
    socklen_t n = sizeof(who);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 &&
           (who.uid == geteuid() || who.uid == 0);
}

void server_accept(struct server *s) {
    int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        return;
    }
    for (int i = 0; may_ask(fd) && i < SERVER_CLIENTS; i++) {
        if (s->clients[i] < 0) {
            s->clients[i] = fd;
            return;
        }
    }
    close(fd);
}

int server_clients(const struct server *s) {
    int n = 0;
    for (int i = 0; i < SERVER_CLIENTS; i++) {
        n += s->clients[i] >= 0;
    }
    return n;
}

struct request server_read(struct server *s, int i) {
    static const struct {
        const char *word;
        int what;
    } words[] = {{"status", REQ_STATUS}, {"stop ", REQ_STOP},  {"signal ", REQ_SIGNAL},
                 {"fds", REQ_FDS},       {"ready", REQ_READY}, {"reap", REQ_REAP}};
    char text[KEEPER_MSG_MAX];
    struct request r = {.what = REQ_NONE};
    ssize_t n;
    do { /* a client that left without reading an answer is told once; what it asked is still there
          */
        n = recv(s->clients[i], text, sizeof(text) - 1, 0);
    } while (n < 0 && (errno == ECONNRESET || errno == EINTR));
    if (n <= 0) {
        leave(s, i);
        return r;
    }
    text[n] = '\0';
    for (size_t k = 0; k < sizeof(words) / sizeof(words[0]); k++) {
        size_t len = strlen(words[k].word);
        if (strncmp(text, words[k].word, len) == 0) {
            r.what = words[k].what;
            r.number = strtoll(text + len, NULL, 10);
            return r;
        }
    }
    server_say(s, i, "unknown");
    return r;
}

void server_say(struct server *s, int i, const char *text) {
    for (int k = i < 0 ? 0 : i; k < (i < 0 ? SERVER_CLIENTS : i + 1); k++) {
        /* Who does not read is not served. Who left may have asked for more before: that is read.
         */
        if (s->clients[k] >= 0 && send(s->clients[k], text, strlen(text), MSG_NOSIGNAL) < 0 &&
            errno == EAGAIN) {
            leave(s, k);
        }
    }
}

void server_send_fds(struct server *s, int i, const struct spec *spec) {
    char text[KEEPER_MSG_MAX];
    union {
        char bytes[CMSG_SPACE(sizeof(int) * KEEPER_FDS_MAX)];
        struct cmsghdr align;
    } control;
    size_t n = sizeof(int) * (size_t)spec->n_fds;
    snprintf(text, sizeof(text), "fds %s", spec->fdnames ? spec->fdnames : "");
    struct iovec v = {text, strlen(text)};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    memset(&control, 0, sizeof(control));
    if (spec->n_fds) {
        m.msg_control = control.bytes;
        m.msg_controllen = CMSG_SPACE(n);
        struct cmsghdr *c = &control.align; /* the first one */
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n);
        for (int k = 0; k < spec->n_fds; k++) {
            int fd = KEEPER_FD_LISTEN + k;
            memcpy(CMSG_DATA(c) + sizeof(int) * (size_t)k, &fd, sizeof(fd));
        }
    }
    if (sendmsg(s->clients[i], &m, MSG_NOSIGNAL) < 0) {
        leave(s, i);
    }
}
