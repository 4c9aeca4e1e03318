/* SPDX-License-Identifier: Apache-2.0 */
#include "origin.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <strings.h>

/* host with or without its port; a port that is given must be ours (or the scheme's). */
static int same(const char *want, const char *host, uint16_t port, int tls) {
    size_t n = strlen(want);
    char ours[16];
    if (strncasecmp(want, host, n) != 0) {
        return 0;
    }
    snprintf(ours, sizeof(ours), ":%u", port);
    return host[n] == '\0' || strcmp(host + n, ours) == 0 ||
           strcmp(host + n, tls ? ":443" : ":80") == 0;
}

/* A configured name that carries a port (a forwarded one, say) stands for exactly that. */
static int has_port(const char *name) {
    const char *colon = strrchr(name, ':');
    return colon && !strchr(colon, ']') && (name[0] == '[' || strchr(name, ':') == colon);
}

int origin_host_ok(const struct conf *c, uint16_t port, const char *host) {
    static const char *const local[] = {"localhost", "127.0.0.1", "[::1]"};
    char own[INET6_ADDRSTRLEN + 3] = "";
    int tls = c->tls_cert != NULL;
    if (!host || !*host) {
        return 0;
    }
    for (size_t i = 0; c->loopback && i < sizeof(local) / sizeof(local[0]); i++) {
        if (same(local[i], host, port, tls)) {
            return 1;
        }
    }
    for (size_t i = 0; i < c->n_hosts; i++) {
        if (has_port(c->hosts[i]) ? strcasecmp(c->hosts[i], host) == 0
                                  : same(c->hosts[i], host, port, tls)) {
            return 1;
        }
    }
    if (c->addr.ss_family == AF_INET) {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)&c->addr)->sin_addr, own, sizeof(own));
    } else {
        own[0] = '[';
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)&c->addr)->sin6_addr, own + 1,
                  INET6_ADDRSTRLEN);
        size_t n = strlen(own);
        own[n] = ']';
        own[n + 1] = '\0';
    }
    return same(own, host, port, tls);
}

int origin_ok(const struct conf *c, const char *origin, const char *fetch_site, const char *host) {
    const char *scheme = c->tls_cert ? "https://" : "http://";
    if (fetch_site && strcmp(fetch_site, "same-origin") != 0 && strcmp(fetch_site, "none") != 0) {
        return 0;
    }
    return !origin || (strncmp(origin, scheme, strlen(scheme)) == 0 &&
                       strcasecmp(origin + strlen(scheme), host) == 0);
}
