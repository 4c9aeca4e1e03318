/* SPDX-License-Identifier: Apache-2.0
 *
 * A small HTTP server, as an example of a process that Trellis runs. Build it with
 *     cc -O2 -o web web.c
 *
 * It serves every socket it is handed (LISTEN_FDS, as from systemd), so an update never refuses a
 * connection: its successor takes the same sockets. After SIGTERM it finishes the request at hand
 * and ends. GET / answers with the greeting it is configured with; linked with a store (link
 * "store"), it fetches the second line from there. GET /healthz answers "ok", /pid its process id.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef VERSION
#define VERSION "1"
#endif
#define MAX_SOCKETS 32

static volatile sig_atomic_t stopping;

static void on_term(int signum) {
    (void)signum;
    stopping = 1;
}

static const char *env(const char *name, const char *otherwise) {
    const char *v = getenv(name);
    return v ? v : otherwise;
}

static int number(const char *text) {
    return (int)strtol(text, NULL, 10);
}

/* Asks the store behind the link; 0 when it answered. */
static int ask_store(const char *address, char *line, size_t cap) {
    const char *colon = strrchr(address, ':');
    struct sockaddr_in a = {.sin_family = AF_INET};
    char host[64], answer[1024];
    size_t n = 0;
    snprintf(host, sizeof(host), "%.*s", colon ? (int)(colon - address) : 0, address);
    a.sin_port = htons((unsigned short)number(colon ? colon + 1 : "0"));
    int fd = inet_pton(AF_INET, host, &a.sin_addr) == 1 ? socket(AF_INET, SOCK_STREAM, 0) : -1;
    int ok = fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
             dprintf(fd, "GET / HTTP/1.1\r\nHost: store\r\nConnection: close\r\n\r\n") > 0;
    for (ssize_t k; ok && (k = read(fd, answer + n, sizeof(answer) - 1 - n)) > 0;) {
        n += (size_t)k;
    }
    answer[n] = '\0';
    const char *body = strstr(answer, "\r\n\r\n");
    snprintf(line, cap, "%s", body ? body + 4 : "");
    if (fd >= 0) {
        close(fd);
    }
    return body ? 0 : -1;
}

/* Tells whoever waits for it that we serve (health: notify), as sd_notify() does. */
static void tell_ready(void) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    snprintf(a.sun_path, sizeof(a.sun_path), "%s", env("NOTIFY_SOCKET", ""));
    if (fd >= 0 && a.sun_path[0] &&
        sendto(fd, "READY=1", 7, 0, (struct sockaddr *)&a, sizeof(a)) < 0) {
        perror("web: NOTIFY_SOCKET");
    }
    if (fd >= 0) {
        close(fd);
    }
}

static void answer(int fd, const char *path) {
    char body[2048], line[1024] = "";
    const char *store = getenv("TRELLIS_LINK_STORE_ADDR"), *status = "200 OK";
    if (strcmp(path, "/healthz") == 0) {
        snprintf(body, sizeof(body), "ok\n");
    } else if (strcmp(path, "/pid") == 0) {
        snprintf(body, sizeof(body), "%d\n", (int)getpid());
    } else if (strcmp(path, "/") != 0) {
        status = "404 Not Found";
        snprintf(body, sizeof(body), "there is only / here\n");
    } else {
        if (store && strcmp(env("ROLE", "web"), "store") != 0 &&
            ask_store(store, line, sizeof(line)) < 0) {
            status = "502 Bad Gateway";
            snprintf(line, sizeof(line), "the store does not answer\n");
        }
        snprintf(body, sizeof(body), "%s (version %s)\n%s", env("greeting", "Hello"), VERSION,
                 line);
    }
    dprintf(fd,
            "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
            "Connection: close\r\n\r\n%s",
            status, strlen(body), body);
}

static void serve(int fd) {
    char text[4096], path[256] = "";
    size_t n = 0;
    struct timeval patience = {2, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    do {
        ssize_t k = read(fd, text + n, sizeof(text) - 1 - n);
        if (k <= 0) {
            break;
        }
        n += (size_t)k;
        text[n] = '\0';
    } while (!strstr(text, "\r\n\r\n") && n < sizeof(text) - 1);
    if (n && sscanf(text, "GET %255s", path) == 1) {
        answer(fd, path);
    }
    shutdown(fd, SHUT_WR);
    while (read(fd, text, sizeof(text)) > 0) { /* so that the answer is not cut off by a reset */
    }
    close(fd);
}

int main(void) {
    struct pollfd sockets[MAX_SOCKETS];
    int n = number(env("LISTEN_FDS", "0"));
    struct sigaction term = {.sa_handler = on_term};
    sigaction(SIGTERM, &term, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (n < 1 || n > MAX_SOCKETS || number(env("LISTEN_PID", "0")) != (int)getpid()) {
        fprintf(stderr,
                "web: no sockets were handed over (LISTEN_FDS): list some under `listen`\n");
        return 2;
    }
    for (int i = 0; i < n; i++) {
        sockets[i] = (struct pollfd){3 + i, POLLIN, 0};
        fcntl(3 + i, F_SETFL, O_NONBLOCK); /* another process may take the connection first */
    }
    printf("web %s: serving %d sockets\n", VERSION, n);
    fflush(stdout);
    tell_ready();
    sigset_t terms, before;
    sigemptyset(&terms);
    sigaddset(&terms, SIGTERM);
    sigprocmask(SIG_BLOCK, &terms, &before);
    while (!stopping) { /* SIGTERM is let in only while nothing is being served */
        if (ppoll(sockets, (nfds_t)n, NULL, &before) < 0 && errno != EINTR) {
            return 1;
        }
        for (int i = 0; i < n && !stopping; i++) {
            if (sockets[i].revents & POLLIN) {
                int fd = accept(sockets[i].fd, NULL, NULL);
                if (fd >= 0) {
                    serve(fd);
                }
            }
            sockets[i].revents = 0;
        }
    }
    printf("web %s: finished\n", VERSION);
    return 0;
}
