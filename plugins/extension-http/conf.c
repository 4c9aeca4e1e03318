/* SPDX-License-Identifier: Apache-2.0 */
#include "conf.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <stdlib.h>

#include "../common/xmem.h"
#include "text.h"

const char *role_name(enum role r) {
    static const char *const names[] = {"none", "read", "operate", "admin"};
    return names[r];
}

static enum role role_of(const char *s) {
    for (enum role r = ROLE_READ; r <= ROLE_ADMIN; r++) {
        if (s && strcmp(role_name(r), s) == 0) {
            return r;
        }
    }
    return ROLE_NONE;
}

static char *dup_or_null(const char *s) {
    return s && *s ? text_dup(trl_cstr(s)) : NULL;
}

static uint32_t number(const json_t *o, const char *key, uint32_t dflt) {
    const json_t *v = json_object_get(o, key);
    return json_is_integer(v) ? (uint32_t)json_integer_value(v) : dflt;
}

static int loopback(const struct sockaddr_storage *a) {
    if (a->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)a;
        return (ntohl(in->sin_addr.s_addr) >> 24) == 127;
    }
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

/* "127.0.0.1:8181", "[::1]:0", "localhost:8181". */
static int parse_listen(const char *text, struct conf *c) {
    const char *colon = strrchr(text, ':');
    char host[64];
    size_t n = colon ? (size_t)(colon - text) : 0;
    char *end = NULL;
    unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;
    if (!colon || n == 0 || n >= sizeof(host) || !colon[1] || *end || port > 65535 ||
        colon[1] == '+' || colon[1] == '-' || colon[1] == ' ') {
        return -1;
    }
    memcpy(host, text, n);
    host[n] = '\0';
    struct sockaddr_in *v4 = (struct sockaddr_in *)&c->addr;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&c->addr;
    if (host[0] == '[' && host[n - 1] == ']') {
        host[n - 1] = '\0';
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        c->addr_len = sizeof(*v6);
        return inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1 ? 0 : -1;
    }
    v4->sin_family = AF_INET;
    v4->sin_port = htons((uint16_t)port);
    c->addr_len = sizeof(*v4);
    return inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &v4->sin_addr) ==
                   1
               ? 0
               : -1;
}

static int hex_digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int parse_hash(const char *s, unsigned char ret[32]) {
    if (strlen(s) != 64) {
        return -1;
    }
    for (int i = 0; i < 32; i++) {
        int hi = hex_digit(s[2 * i]), lo = hex_digit(s[2 * i + 1]);
        if (hi < 0 || lo < 0) {
            return -1;
        }
        ret[i] = (unsigned char)(hi * 16 + lo);
    }
    return 0;
}

static trl_status parse_tokens(const json_t *list, struct conf *c, trl_err *err) {
    size_t i;
    const json_t *v;
    c->tokens = x_zalloc_n(json_array_size(list), sizeof(*c->tokens));
    json_array_foreach(list, i, v) {
        struct conf_token *t = &c->tokens[c->n_tokens];
        const char *name = json_string_value(json_object_get(v, "name"));
        const char *hash = json_string_value(json_object_get(v, "sha256"));
        size_t ok =
            strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
        if (!*name || name[ok] || strlen(name) > 64) {
            return trl_errf(err, TRL_E_INVALID,
                            "/tokens/%zu/name: 1 to 64 of letters, digits and . _ -", i);
        }
        if (parse_hash(hash, t->hash) < 0) {
            return trl_errf(err, TRL_E_INVALID,
                            "/tokens/%zu/sha256: 64 hexadecimal digits, lower case: the SHA-256 of "
                            "the token, e.g. printf %%s \"$TOKEN\" | sha256sum",
                            i);
        }
        t->name = text_dup(trl_cstr(name));
        t->role = role_of(json_string_value(json_object_get(v, "role")));
        c->n_tokens++;
    }
    return TRL_OK;
}

static void parse_hosts(const json_t *list, struct conf *c) {
    size_t i;
    const json_t *v;
    c->hosts = x_zalloc_n(json_array_size(list), sizeof(char *));
    json_array_foreach(list, i, v) {
        c->hosts[c->n_hosts++] = text_dup(trl_cstr(json_string_value(v)));
    }
}

static int wildcard(const struct sockaddr_storage *a) {
    return a->ss_family == AF_INET
               ? ((const struct sockaddr_in *)a)->sin_addr.s_addr == INADDR_ANY
               : IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

static trl_status check(const struct conf *c, trl_err *err) {
    if ((c->tls_cert == NULL) != (c->tls_key == NULL)) {
        return trl_errf(err, TRL_E_INVALID, "/tls: cert and key come together");
    }
    if (!c->loopback && (!c->tls_cert || c->n_tokens == 0)) {
        return trl_errf(err, TRL_E_INVALID,
                        "/listen %s can be reached from other machines: that needs tls and tokens; "
                        "without them listen on 127.0.0.1",
                        c->listen);
    }
    if (wildcard(&c->addr) && c->n_hosts == 0) {
        return trl_errf(err, TRL_E_INVALID,
                        "/hosts: with listen %s name the hosts that clients use, e.g. "
                        "[trellis.example.org]",
                        c->listen);
    }
    return TRL_OK;
}

trl_status conf_parse(trl_str json, struct conf *c, trl_err *err) {
    memset(c, 0, sizeof(*c));
    json_t *o = json_loadb(json.len ? json.ptr : "{}", json.len ? json.len : 2, 0, NULL);
    if (!o) {
        return trl_errf(err, TRL_E_INVALID, "not JSON");
    }
    const char *where = json_string_value(json_object_get(o, "listen"));
    const json_t *tls = json_object_get(o, "tls"), *limits = json_object_get(o, "limits");
    const json_t *login = json_object_get(o, "login"), *ui = json_object_get(o, "ui");
    const char *role = json_string_value(json_object_get(o, "login_role"));
    trl_status st = TRL_OK;
    c->listen = text_dup(trl_cstr(where ? where : "127.0.0.1:8181"));
    if (parse_listen(c->listen, c) < 0) {
        st = trl_errf(err, TRL_E_INVALID,
                      "/listen: '%s' is no address:port (an address, not a name; port 0 takes a "
                      "free one)",
                      c->listen);
    }
    c->loopback = loopback(&c->addr);
    c->tls_cert = dup_or_null(json_string_value(json_object_get(tls, "cert")));
    c->tls_key = dup_or_null(json_string_value(json_object_get(tls, "key")));
    parse_hosts(json_object_get(o, "hosts"), c);
    if (st == TRL_OK) {
        st = parse_tokens(json_object_get(o, "tokens"), c, err);
    }
    c->login = json_is_boolean(login) ? json_is_true(login) : c->n_tokens == 0;
    c->login_file = dup_or_null(json_string_value(json_object_get(o, "login_file")));
    c->login_role = role ? role_of(role) : ROLE_ADMIN;
    c->any_port = json_is_true(json_object_get(o, "any_port"));
    c->ui = json_is_boolean(ui) ? json_is_true(ui) : 1;
    c->max_body_bytes = number(limits, "body_bytes", 1u << 20);
    c->max_connections = number(limits, "connections", 256);
    c->max_connections_per_address = number(limits, "connections_per_address", 64);
    c->max_streams = number(limits, "streams", 64);
    c->requests_per_second = number(limits, "requests_per_second", 100);
    c->request_timeout_s = number(limits, "request_timeout_s", 30);
    c->idle_timeout_s = number(limits, "idle_timeout_s", 15);
    json_decref(o);
    return st == TRL_OK ? check(c, err) : st;
}

void conf_finish(struct conf *c) {
    for (size_t i = 0; i < c->n_tokens; i++) {
        free(c->tokens[i].name);
    }
    for (size_t i = 0; i < c->n_hosts; i++) {
        free(c->hosts[i]);
    }
    free(c->tokens);
    free(c->hosts);
    free(c->listen);
    free(c->tls_cert);
    free(c->tls_key);
    free(c->login_file);
    memset(c, 0, sizeof(*c));
}
