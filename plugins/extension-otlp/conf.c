/* SPDX-License-Identifier: Apache-2.0 */
#include "conf.h"

#include <ctype.h>
#include <curl/curl.h>
#include <jansson.h>

#include "../common/xmem.h"

static const struct {
    const char *name, *path;
} signals[N_SIGNALS] = {
    [TRACES] = {"traces", "/v1/traces"},
    [METRICS] = {"metrics", "/v1/metrics"},
    [LOGS] = {"logs", "/v1/logs"},
    [EVENTS] = {"events", "/v1/logs"},
};

const char *signal_name(enum signal s) {
    return signals[s].name;
}

const char *signal_path(enum signal s) {
    return signals[s].path;
}

static char *take_str(const json_t *j, const char *key) {
    const char *s = json_string_value(json_object_get(j, key));
    return s ? x_checked(strdup(s)) : NULL;
}

static int64_t take_int(const json_t *j, const char *key, int64_t dflt) {
    const json_t *v = json_object_get(j, key);
    return json_is_integer(v) ? json_integer_value(v) : dflt;
}

/* Endpoint */

static trl_status bad_endpoint(trl_err *err, const char *why) {
    return trl_errf(err, TRL_E_INVALID,
                    "endpoint: %s; expected http://host:port or https://host:port, with a path "
                    "where the collector has one",
                    why);
}

static int has_part(CURLU *u, CURLUPart part) {
    char *text = NULL;
    int yes = curl_url_get(u, part, &text, 0) == CURLUE_OK && text && *text;
    curl_free(text);
    return yes;
}

static int ends_with(const char *s, const char *end) {
    size_t n = strlen(s), k = strlen(end);
    return n >= k && strcmp(s + n - k, end) == 0;
}

static trl_status check_endpoint(const struct conf *c, trl_err *err) {
    trl_status st = TRL_OK;
    if (strncmp(c->endpoint, "http://", 7) != 0 && strncmp(c->endpoint, "https://", 8) != 0) {
        return bad_endpoint(err, "it begins with neither http:// nor https:// (gRPC is not spoken: "
                                 "take the collector's OTLP/HTTP port, usually 4318)");
    }
    for (int s = 0; s < N_SIGNALS; s++) {
        if (ends_with(c->endpoint, signals[s].path)) {
            return trl_errf(err, TRL_E_INVALID, "endpoint: leave out %s, it is added",
                            signals[s].path);
        }
    }
    CURLU *u = x_checked(curl_url());
    if (curl_url_set(u, CURLUPART_URL, c->endpoint, 0) != CURLUE_OK) {
        st = bad_endpoint(err, "it cannot be understood");
    } else if (has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_PASSWORD)) {
        st = bad_endpoint(err, "no user or password belongs in it, use headers or token_file");
    } else if (has_part(u, CURLUPART_QUERY) || has_part(u, CURLUPART_FRAGMENT)) {
        st = bad_endpoint(err, "it ends with a query");
    }
    curl_url_cleanup(u);
    return st;
}

/* Headers */

static int name_ok(const char *s) {
    for (; *s; s++) {
        if (!isalnum((unsigned char)*s) && !strchr("!#$%&'*+-.^_`|~", *s)) {
            return 0;
        }
    }
    return 1;
}

static int value_ok(const char *s) {
    for (; *s; s++) {
        if ((unsigned char)*s < ' ' || (unsigned char)*s >= 0x7f) {
            return 0;
        }
    }
    return 1;
}

/* What this says itself, or curl does. */
static int name_taken(const char *s) {
    static const char *const own[] = {"content-type", "content-encoding",  "content-length",
                                      "host",         "transfer-encoding", "expect",
                                      "accept",       "connection"};
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        if (strcasecmp(s, own[i]) == 0) {
            return 1;
        }
    }
    return 0;
}

static trl_status check_header(const struct conf *c, const json_t *h, size_t i, trl_err *err) {
    const char *name = json_string_value(json_object_get(h, "name"));
    const char *value = json_string_value(json_object_get(h, "value"));
    const char *file = json_string_value(json_object_get(h, "file"));
    if (!name || !name_ok(name)) {
        return trl_errf(err, TRL_E_INVALID, "headers[%zu].name: this is no name of a header", i);
    }
    if (name_taken(name)) {
        return trl_errf(err, TRL_E_INVALID, "headers[%zu].name: %s cannot be set", i, name);
    }
    if (!value == !file) {
        return trl_errf(err, TRL_E_INVALID, "headers[%zu]: %s", i,
                        value ? "value and file: leave one out" : "value or file is missing");
    }
    if (value && !value_ok(value)) {
        return trl_errf(err, TRL_E_INVALID,
                        "headers[%zu].value: characters that no header has (ASCII, one line)", i);
    }
    if (c->token_file && strcasecmp(name, "authorization") == 0) {
        return trl_errf(err, TRL_E_INVALID, "headers[%zu]: authorization is what token_file says",
                        i);
    }
    return TRL_OK;
}

static char *joined(const char *a, const char *b) {
    size_t n = strlen(a) + strlen(b) + 1;
    char *s = x_alloc(n);
    snprintf(s, n, "%s%s", a, b);
    return s;
}

static trl_status take_headers(const json_t *list, struct conf *c, trl_err *err) {
    size_t i;
    const json_t *h;
    trl_status st = TRL_OK;
    c->headers = x_zalloc_n(json_array_size(list) + 1, sizeof(*c->headers));
    json_array_foreach(list, i, h) {
        st = check_header(c, h, i, err);
        if (st != TRL_OK) {
            return st;
        }
        c->headers[c->n_headers++] = (struct http_header){
            .option = x_checked(strdup("headers: file")),
            .before = joined(json_string_value(json_object_get(h, "name")), ": "),
            .value = take_str(h, "value"),
            .file = take_str(h, "file"),
            .spaces = 1};
    }
    if (c->token_file) {
        c->headers[c->n_headers++] =
            (struct http_header){.option = x_checked(strdup("token_file")),
                                 .before = x_checked(strdup("Authorization: Bearer ")),
                                 .file = x_checked(strdup(c->token_file))};
    }
    return st;
}

/* The rest */

static trl_status take_resource(const json_t *o, struct conf *c, trl_err *err) {
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)o, key, v) {
        if (!*key || (!json_is_string(v) && !json_is_number(v) && !json_is_boolean(v))) {
            return trl_errf(err, TRL_E_INVALID,
                            "resource: %.100s: expected a string, a number, true or false", key);
        }
    }
    c->resource = o ? x_checked(json_dumps(o, JSON_COMPACT)) : NULL;
    return TRL_OK;
}

static uint32_t take_signals(const json_t *list) {
    uint32_t bits = 0;
    size_t i;
    const json_t *v;
    json_array_foreach(list, i, v) {
        for (uint32_t s = 0; s < N_SIGNALS; s++) {
            if (json_is_string(v) && strcmp(json_string_value(v), signals[s].name) == 0) {
                bits |= 1u << s;
            }
        }
    }
    return bits ? bits : (1u << N_SIGNALS) - 1;
}

static void take_all(const json_t *j, struct conf *c) {
    const json_t *tls = json_object_get(j, "tls");
    const char *gzip = json_string_value(json_object_get(j, "compression"));
    c->endpoint = take_str(j, "endpoint");
    c->endpoint = c->endpoint ? c->endpoint : x_checked(strdup("http://127.0.0.1:4318"));
    for (size_t n = strlen(c->endpoint); n > strlen("https://") && c->endpoint[n - 1] == '/'; n--) {
        c->endpoint[n - 1] = '\0';
    }
    c->token_file = take_str(j, "token_file");
    c->ca = take_str(tls, "ca");
    c->cert = take_str(tls, "cert");
    c->key = take_str(tls, "key");
    c->gzip = gzip && strcmp(gzip, "gzip") == 0;
    c->signals = take_signals(json_object_get(j, "signals"));
    c->timeout_ms = take_int(j, "timeout_ms", 10000);
    c->interval_ms = take_int(j, "interval_ms", 15000);
    c->batch_ms = take_int(j, "batch_ms", 1000);
    c->batch_max = (uint32_t)take_int(j, "batch_max", 512);
    c->retry_ms = take_int(j, "retry_ms", 1000);
    c->retry_max_ms = take_int(j, "retry_max_ms", 30000);
    c->flush_ms = take_int(j, "flush_ms", 2000);
}

static trl_status check_all(const struct conf *c, trl_err *err) {
    if (!c->cert != !c->key) {
        return trl_errf(err, TRL_E_INVALID, "tls: %s is there without %s", c->cert ? "cert" : "key",
                        c->cert ? "key" : "cert");
    }
    if ((c->ca || c->cert) && strncmp(c->endpoint, "https://", 8) != 0) {
        return trl_errf(err, TRL_E_INVALID,
                        "tls: the endpoint begins with http://, so no TLS is used");
    }
    return c->retry_ms <= c->retry_max_ms
               ? TRL_OK
               : trl_errf(err, TRL_E_INVALID, "retry_ms: it is longer than retry_max_ms");
}

trl_status conf_parse(trl_str config, struct conf *c, trl_err *err) {
    json_error_t e;
    json_t *j = json_loadb(config.ptr, config.len, 0, &e);
    trl_status st;
    memset(c, 0, sizeof(*c));
    if (!json_is_object(j)) {
        json_decref(j);
        return trl_errf(err, TRL_E_INVALID, "the configuration is no JSON object");
    }
    take_all(j, c);
    st = check_endpoint(c, err);
    st = st == TRL_OK ? take_headers(json_object_get(j, "headers"), c, err) : st;
    st = st == TRL_OK ? take_resource(json_object_get(j, "resource"), c, err) : st;
    st = st == TRL_OK ? check_all(c, err) : st;
    json_decref(j);
    if (st != TRL_OK) {
        conf_finish(c);
    }
    return st;
}

static void free_const(const char *s) {
    free((char *)(uintptr_t)s);
}

void conf_finish(struct conf *c) {
    for (uint32_t i = 0; i < c->n_headers; i++) {
        free_const(c->headers[i].option);
        free_const(c->headers[i].before);
        free_const(c->headers[i].value);
        free_const(c->headers[i].file);
    }
    free(c->headers);
    free(c->endpoint);
    free(c->token_file);
    free(c->ca);
    free(c->cert);
    free(c->key);
    free(c->resource);
    memset(c, 0, sizeof(*c));
}
