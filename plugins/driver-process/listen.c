/* SPDX-License-Identifier: Apache-2.0 */
#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../common/xmem.h"

#define BACKLOG 1024

union any_address {
    struct sockaddr sa;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
};

/* "[host]:port", "host:port", "port" into the two; 0 when that is what it is. */
static int split(const char *text, char host[64], char port[8]) {
    const char *colon = strrchr(text, ':'), *from = text, *end = colon;
    snprintf(host, 64, "127.0.0.1");
    if (colon && *from == '[' && colon[-1] == ']') {
        from++;
        end--;
    }
    if (colon && end > from) {
        if ((size_t)(end - from) >= 64) {
            return -1;
        }
        snprintf(host, 64, "%.*s", (int)(end - from), from);
        if (strcmp(host, "localhost") == 0) {
            snprintf(host, 64, "127.0.0.1");
        }
    }
    const char *p = colon ? colon + 1 : text;
    size_t n = strlen(p);
    if (n == 0 || n > 5 || strspn(p, "0123456789") != n || strtol(p, NULL, 10) > 65535) {
        return -1;
    }
    snprintf(port, 8, "%s", p);
    return 0;
}

/* Returns the length of the address, 0 when the text is none. */
static socklen_t parse(const char *text, union any_address *a) {
    char host[64], port[8];
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                             .ai_socktype = SOCK_STREAM},
                    *found = NULL;
    memset(a, 0, sizeof(*a));
    if (strncmp(text, "unix:", 5) == 0) {
        size_t n = strlen(text + 5);
        if (text[5] != '/' || n >= sizeof(a->un.sun_path)) {
            return 0;
        }
        a->un.sun_family = AF_UNIX;
        memcpy(a->un.sun_path, text + 5, n + 1);
        return sizeof(a->un);
    }
    if (split(text, host, port) < 0 || getaddrinfo(host, port, &hints, &found) != 0) {
        return 0;
    }
    socklen_t n = found->ai_addrlen <= sizeof(*a) ? found->ai_addrlen : 0;
    memcpy(a, found->ai_addr, n);
    freeaddrinfo(found);
    return n;
}

int listen_address_ok(const char *address) {
    union any_address a;
    return parse(address, &a) > 0;
}

static char *bound_address(int fd) {
    union any_address a;
    socklen_t n = sizeof(a);
    char host[INET6_ADDRSTRLEN] = "";
    if (getsockname(fd, &a.sa, &n) < 0) {
        return NULL;
    }
    if (a.sa.sa_family == AF_UNIX) {
        return text_format("unix:%s", a.un.sun_path);
    }
    if (a.sa.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &a.in6.sin6_addr, host, sizeof(host));
        return text_format("[%s]:%u", host, (unsigned)ntohs(a.in6.sin6_port));
    }
    inet_ntop(AF_INET, &a.in.sin_addr, host, sizeof(host));
    return text_format("%s:%u", host, (unsigned)ntohs(a.in.sin_port));
}

/* A socket file nobody listens on is a leftover. */
static void remove_stale(const union any_address *a) {
    struct stat st;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && lstat(a->un.sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
        connect(fd, &a->sa, sizeof(a->un)) < 0 && errno == ECONNREFUSED) {
        unlink(a->un.sun_path);
    }
    if (fd >= 0) {
        close(fd);
    }
}

int listen_open(const char *address, char **bound, char *why, size_t cap) {
    union any_address a;
    socklen_t n = parse(address, &a);
    int one = 1, fd = -1;
    if (n == 0) {
        snprintf(why, cap,
                 "\"%s\" is no address to listen on: write \"127.0.0.1:8080\", \"[::1]:8080\", "
                 "\"8080\" or \"unix:/path\"",
                 address);
        return -1;
    }
    if (a.sa.sa_family == AF_UNIX) {
        remove_stale(&a);
    }
    fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && a.sa.sa_family != AF_UNIX) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    }
    if (fd < 0 || bind(fd, &a.sa, n) < 0 || listen(fd, BACKLOG) < 0) {
        snprintf(why, cap, "cannot listen on %s: %s", address, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    *bound = bound_address(fd);
    return fd;
}

int listen_connect(const char *address) {
    union any_address a;
    socklen_t n = parse(address, &a);
    int fd = n ? socket(a.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;
    if (fd >= 0 && connect(fd, &a.sa, n) < 0 && errno != EINPROGRESS) {
        int e = errno;
        close(fd);
        errno = e;
        return -1;
    }
    return fd;
}

struct listener *listener_find(struct trl_inst *d, const char *unit, const char *name) {
    for (struct listener *l = d->listeners; l; l = l->next) {
        if (strcmp(l->unit, unit) == 0 && strcmp(l->name, name) == 0) {
            return l;
        }
    }
    return NULL;
}

static struct listener *add(struct trl_inst *d, const char *unit, const char *name,
                            const char *asked, char *bound, int fd) {
    struct listener *l = x_zalloc(sizeof(*l));
    l->unit = text_dup(trl_cstr(unit));
    l->name = text_dup(trl_cstr(name));
    l->asked = text_dup(trl_cstr(asked));
    l->address = bound ? bound : text_dup(trl_cstr(asked));
    l->fd = fd;
    l->used = 1;
    l->next = d->listeners;
    d->listeners = l;
    return l;
}

struct listener *listener_get(struct trl_inst *d, const char *unit, const char *name,
                              const char *address, char *why, size_t cap) {
    struct listener *l = listener_find(d, unit, name);
    if (l && (strcmp(l->asked, address) == 0 || strcmp(l->address, address) == 0)) {
        l->used = 1;
        return l;
    }
    char *bound = NULL;
    int fd = listen_open(address, &bound, why, cap);
    if (fd < 0) {
        return NULL;
    }
    if (l) {
        listener_close(d, l);
    }
    return add(d, unit, name, address, bound, fd);
}

void listener_adopt(struct trl_inst *d, const char *unit, const char *name, const char *asked,
                    int fd) {
    int listening = 0;
    socklen_t n = sizeof(listening);
    if (listener_find(d, unit, name) ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &n) < 0 || !listening) {
        close(fd);
        return;
    }
    char *bound = bound_address(fd);
    add(d, unit, name, asked ? asked : bound ? bound : "", bound, fd);
}

void listener_close(struct trl_inst *d, struct listener *l) {
    for (struct listener **at = &d->listeners; *at; at = &(*at)->next) {
        if (*at == l) {
            *at = l->next;
            break;
        }
    }
    if (strncmp(l->address, "unix:", 5) == 0) {
        unlink(l->address + 5);
    }
    close(l->fd);
    free(l->unit);
    free(l->name);
    free(l->address);
    free(l->asked);
    free(l);
}

void listeners_drop_unused(struct trl_inst *d, const char *unit) {
    struct listener *next;
    for (struct listener *l = d->listeners; l; l = next) {
        next = l->next;
        if (strcmp(l->unit, unit) == 0 && !l->used) {
            listener_close(d, l);
        }
    }
}

/* The keepers go on holding what they were given. */
void listeners_close_all(struct trl_inst *d) {
    while (d->listeners) {
        struct listener *l = d->listeners;
        d->listeners = l->next;
        close(l->fd);
        free(l->unit);
        free(l->name);
        free(l->address);
        free(l->asked);
        free(l);
    }
}
