/* SPDX-License-Identifier: Apache-2.0
 *
 * What is decided about a request before its body is read.
 */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "origin.h"
#include "request.h"

void request_peer(const struct ex *x, char *text, size_t cap) {
    const union MHD_ConnectionInfo *i =
        MHD_get_connection_info(x->conn, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    socklen_t len = i && i->client_addr && i->client_addr->sa_family == AF_INET6
                        ? sizeof(struct sockaddr_in6)
                        : sizeof(struct sockaddr_in);
    if (!i || !i->client_addr ||
        getnameinfo(i->client_addr, len, text, (socklen_t)cap, NULL, 0, NI_NUMERICHOST) != 0) {
        snprintf(text, cap, "unknown");
    }
}

static enum MHD_Result count_host(void *cls, enum MHD_ValueKind kind, const char *key,
                                  const char *value) {
    (void)kind, (void)value;
    *(int *)cls += strcasecmp(key, "Host") == 0;
    return MHD_YES;
}

static int meant_for_us(struct ex *x) {
    struct trl_inst *in = x->in;
    const char *host = request_header(x, "Host");
    int n = 0;
    MHD_get_connection_values(x->conn, MHD_HEADER_KIND, count_host, &n);
    if (n != 1 || !origin_host_ok(&in->conf, in->port, host)) {
        in->counts.refused_host++;
        request_refuse(x, MHD_HTTP_MISDIRECTED_REQUEST, "HOST",
                       "This server does not answer to that Host header. If it should, add the "
                       "name to `hosts` of the http extension.");
        return 0;
    }
    return 1;
}

static int often(struct ex *x) {
    struct trl_inst *in = x->in;
    if (limit_take(&in->asking, x->c->key, in->h->now_ns(in->h->ctx))) {
        return 0;
    }
    in->counts.refused_rate++;
    request_refuse(x, MHD_HTTP_TOO_MANY_REQUESTS, "RATE",
                   "More than %u requests a second from this address: wait a moment, or raise "
                   "limits.requests_per_second",
                   in->conf.requests_per_second);
    return 1;
}

static int foreign(struct ex *x) {
    struct trl_inst *in = x->in;
    if (origin_ok(&in->conf, request_header(x, "Origin"), request_header(x, "Sec-Fetch-Site"),
                  request_header(x, "Host"))) {
        return 0;
    }
    in->counts.refused_origin++;
    request_refuse(x, MHD_HTTP_FORBIDDEN, "ORIGIN",
                   "Requests from pages of other origins are refused");
    return 1;
}

static void not_found(struct ex *x, const char *url, const char *method, const char *allow) {
    if (*allow) {
        request_refuse(x, MHD_HTTP_METHOD_NOT_ALLOWED, "METHOD", "This path knows %s", allow);
        if (x->answer) {
            MHD_add_response_header(x->answer, "Allow", allow);
        }
        return;
    }
    unsigned status = 0;
    int get = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    struct MHD_Response *page =
        x->in->conf.ui && get ? page_find(url, request_header(x, "If-None-Match"), &status) : NULL;
    if (page) {
        request_guard(page, 0);
        x->answer = page;
        x->status = status;
    } else {
        request_refuse(x, MHD_HTTP_NOT_FOUND, "NOT_FOUND",
                       "There is nothing here: /api/openapi.json lists what there is");
    }
}

static enum role needed(struct ex *x) {
    const struct trl_inst *in = x->in;
    switch (x->route->does) {
    case DOES_LIVE:
    case DOES_READY:
    case DOES_LOGIN:
        return ROLE_NONE;
    case DOES_METRICS:
        return in->conf.loopback ? ROLE_NONE : ROLE_READ;
    case DOES_CALL:
    case DOES_ANY:
        x->operation = x->route->operation ? x->route->operation : x->parts.operation;
        for (size_t i = 0; i < in->n_ops; i++) {
            if (strcmp(in->ops[i].name, x->operation) == 0) {
                return route_role(x->operation, in->ops[i].flags & TRL_API_CHANGES);
            }
        }
        return ROLE_ADMIN; /* told that there is no such operation by the core */
    default:
        return ROLE_READ;
    }
}

static void refuse_unknown(struct ex *x, const char *header) {
    struct trl_inst *in = x->in;
    char peer[64];
    int64_t now = in->h->now_ns(in->h->ctx);
    in->counts.refused_auth++;
    if (header && !limit_take(&in->failing, x->c->key, now)) {
        request_refuse(x, MHD_HTTP_TOO_MANY_REQUESTS, "RATE",
                       "Too many wrong tokens from this address: wait a minute");
        return;
    }
    if (header) {
        request_peer(x, peer, sizeof(peer));
        trl_logf(in->h, TRL_LOG_WARN, "a wrong token from %s", peer);
    }
    request_refuse(x, MHD_HTTP_UNAUTHORIZED, "UNAUTHORIZED",
                   header ? "This token is not known here, or its session is over"
                          : "Authorization: Bearer TOKEN is needed");
    MHD_add_response_header(x->answer, "WWW-Authenticate", "Bearer");
}

static int allowed(struct ex *x) {
    struct trl_inst *in = x->in;
    const char *header = request_header(x, "Authorization");
    enum role need = needed(x);
    x->who = auth_check(&in->auth, header, in->h->now_ns(in->h->ctx));
    if (x->who.role >= need) {
        return 1;
    }
    if (x->who.role == ROLE_NONE) {
        refuse_unknown(x, header);
    } else {
        in->counts.refused_role++;
        request_refuse(x, MHD_HTTP_FORBIDDEN, "FORBIDDEN",
                       "This needs the role %s; %s has the role %s", role_name(need), x->who.name,
                       role_name(x->who.role));
    }
    return 0;
}

/* Forms of other sites' pages can send text/plain and the form types without asking first. */
static int body_type_ok(const struct ex *x) {
    static const char *const types[] = {"application/json", "application/yaml",
                                        "application/x-yaml", "text/yaml", "text/x-yaml"};
    const char *type = request_header(x, "Content-Type");
    size_t n = x->route->body == BODY_MANIFEST ? 5 : 1;
    for (size_t i = 0; type && i < n; i++) {
        size_t l = strlen(types[i]);
        if (strncasecmp(type, types[i], l) == 0 && strchr("; \t", type[l])) {
            return 1;
        }
    }
    const char *length = request_header(x, "Content-Length");
    return !type && x->route->body == BODY_JSON && (!length || strcmp(length, "0") == 0) &&
           !request_header(x, "Transfer-Encoding");
}

static void check_body(struct ex *x) {
    const char *length = request_header(x, "Content-Length");
    if (length && strtoull(length, NULL, 10) > x->in->conf.max_body_bytes) {
        request_refuse(x, MHD_HTTP_CONTENT_TOO_LARGE, "TOO_LARGE",
                       "The body has %s bytes, the limit is %u", length,
                       x->in->conf.max_body_bytes);
    } else if (x->route->body != BODY_NONE && !body_type_ok(x)) {
        request_refuse(x, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "MEDIA_TYPE",
                       x->route->body == BODY_MANIFEST
                           ? "Content-Type must be application/yaml or application/json"
                           : "Content-Type must be application/json");
    }
}

void request_admit(struct ex *x, const char *url, const char *method) {
    char allow[64];
    if (x->bad_uri) {
        request_refuse(x, MHD_HTTP_BAD_REQUEST, "INVALID", "%%00 in a path means nothing");
        return;
    }
    if (!meant_for_us(x) || often(x)) {
        return;
    }
    x->route = route_find(method, url, &x->parts, allow);
    if (!x->route) {
        not_found(x, url, method, allow);
    } else if (!foreign(x) && allowed(x)) {
        check_body(x);
    }
}
