/* SPDX-License-Identifier: Apache-2.0 */
#include "opts.h"

#include <ctype.h>
#include <curl/curl.h>
#include <jansson.h>

#include "../../plugins/common/xmem.h"

#define POINT_MARK "{point}"

static const char *const point_names[TRL_POINTS] = {"put",     "deploy", "place",
                                                    "command", "host",   "secret"};

const char *opts_point_name(uint32_t point) {
    return point < TRL_POINTS ? point_names[point] : "unknown";
}

static char *dup_or_null(const char *s) {
    return s ? x_checked(strdup(s)) : NULL;
}

static char *take_str(const json_t *j, const char *key) {
    return dup_or_null(json_string_value(json_object_get(j, key)));
}

static int64_t take_int(const json_t *j, const char *key, int64_t dflt) {
    const json_t *v = json_object_get(j, key);
    return json_is_integer(v) ? json_integer_value(v) : dflt;
}

/* Only what needs no escape in a URL, so that a path means the same to everybody. */
static trl_status check_path(const char *key, const char *path, trl_err *err) {
    const char *p = path;
    int revision = strcmp(key, "revision_path") == 0;
    if (!path) {
        return TRL_OK;
    }
    if (*p == '/' || p[strlen(p) - 1] == '/' || strstr(p, "//")) {
        return trl_errf(err, TRL_E_INVALID,
                        "%s: one '/' between names, none at the ends; expected something like "
                        "trellis/decision",
                        key);
    }
    while (*p) {
        if (!revision && strncmp(p, POINT_MARK, strlen(POINT_MARK)) == 0) {
            p += strlen(POINT_MARK);
        } else if (isalnum((unsigned char)*p) || *p == '_' || *p == '-' || *p == '/' ||
                   (revision && *p == '.')) {
            p++;
        } else {
            return trl_errf(err, TRL_E_INVALID,
                            "%s: only letters, digits, '_', '-' and '/' are allowed%s; data.a.b "
                            "is written a/b",
                            key, revision ? ", and '.'" : ", and " POINT_MARK);
        }
    }
    return TRL_OK;
}

static trl_status bad_url(trl_err *err, const char *why) {
    return trl_errf(err, TRL_E_INVALID,
                    "url: %s; expected http://host:port or https://host:port, with a path where "
                    "the server has one",
                    why);
}

static int has_part(CURLU *u, CURLUPart part) {
    char *text = NULL;
    int yes = curl_url_get(u, part, &text, 0) == CURLUE_OK && text && *text;
    curl_free(text);
    return yes;
}

static trl_status check_url_parts(CURLU *u, trl_err *err) {
    if (has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_PASSWORD)) {
        return bad_url(err, "no user or password belongs in it, use token_file");
    }
    if (has_part(u, CURLUPART_QUERY) || has_part(u, CURLUPART_FRAGMENT)) {
        return bad_url(err, "it ends with a query");
    }
    return TRL_OK;
}

static trl_status check_url(const struct opts *o, trl_err *err) {
    trl_status st;
    CURLU *u;
    if (strncmp(o->url, "http://", 7) != 0 && strncmp(o->url, "https://", 8) != 0) {
        return bad_url(err, "it begins with neither http:// nor https://");
    }
    u = x_checked(curl_url());
    st = curl_url_set(u, CURLUPART_URL, o->url, 0) != CURLUE_OK
             ? bad_url(err, "it cannot be understood")
             : check_url_parts(u, err);
    curl_url_cleanup(u);
    return st;
}

static trl_status check_all(const struct opts *o, trl_err *err) {
    trl_status st = check_url(o, err);
    if (st == TRL_OK) {
        st = check_path("path", o->path, err);
    }
    if (st == TRL_OK) {
        st = check_path("batch_path", o->batch_path, err);
    }
    if (st == TRL_OK) {
        st = check_path("revision_path", o->revision_path, err);
    }
    if (st != TRL_OK) {
        return st;
    }
    if (o->revision_path && o->watch_ms == 0) {
        return trl_errf(err, TRL_E_INVALID, "revision_path: nobody looks at it with watch_ms: 0");
    }
    if (o->ttl_ms == OPTS_TTL_UNTIL_CHANGE && o->watch_ms == 0) {
        return trl_errf(err, TRL_E_INVALID,
                        "ttl_ms: -1 keeps decisions until the rules change, and with watch_ms: 0 "
                        "nobody sees that they did");
    }
    if (!o->cert != !o->key) {
        return trl_errf(err, TRL_E_INVALID, "tls: %s is there without %s", o->cert ? "cert" : "key",
                        o->cert ? "key" : "cert");
    }
    if ((o->ca || o->cert) && strncmp(o->url, "https://", 8) != 0) {
        return trl_errf(err, TRL_E_INVALID, "tls: the url begins with http://, so no TLS is used");
    }
    return TRL_OK;
}

static uint32_t take_points(const json_t *list) {
    uint32_t points = 0;
    size_t i;
    const json_t *v;
    json_array_foreach(list, i, v) {
        for (uint32_t p = 0; p < TRL_POINTS; p++) {
            if (json_is_string(v) && strcmp(json_string_value(v), point_names[p]) == 0) {
                points |= 1u << p;
            }
        }
    }
    return points ? points : (1u << TRL_POINTS) - 1;
}

static enum opts_undefined take_undefined(const json_t *j) {
    const char *s = json_string_value(json_object_get(j, "undefined"));
    return s && strcmp(s, "abstain") == 0 ? OPTS_UNDEFINED_ABSTAIN
           : s && strcmp(s, "fail") == 0  ? OPTS_UNDEFINED_FAIL
                                          : OPTS_UNDEFINED_DENY;
}

static void take_all(const json_t *j, struct opts *o) {
    const json_t *tls = json_object_get(j, "tls");
    const char *url = json_string_value(json_object_get(j, "url"));
    o->url = dup_or_null(url ? url : "http://127.0.0.1:8181");
    for (size_t n = strlen(o->url); n > strlen("https://") && o->url[n - 1] == '/'; n--) {
        o->url[n - 1] = '\0';
    }
    o->unix_socket = take_str(j, "unix_socket");
    o->path = take_str(j, "path");
    o->batch_path = take_str(j, "batch_path");
    o->revision_path = take_str(j, "revision_path");
    o->token_file = take_str(j, "token_file");
    o->ca = take_str(tls, "ca");
    o->cert = take_str(tls, "cert");
    o->key = take_str(tls, "key");
    o->undefined = take_undefined(j);
    o->points = take_points(json_object_get(j, "points"));
    o->timeout_ms = take_int(j, "request_timeout_ms", 60000);
    o->connect_timeout_ms = take_int(j, "connect_timeout_ms", 1000);
    o->watch_ms = take_int(j, "watch_ms", 10000);
    o->ttl_ms = take_int(j, "ttl_ms", 0);
    o->max_answer_bytes = (size_t)take_int(j, "max_answer_bytes", 4 << 20);
    o->max_request_bytes = (size_t)take_int(j, "max_request_bytes", 8 << 20);
    o->max_connections = (uint32_t)take_int(j, "max_connections", 8);
}

trl_status opts_parse(trl_str config, struct opts *o, trl_err *err) {
    json_error_t e;
    trl_status st;
    json_t *j = json_loadb(config.ptr, config.len, 0, &e);
    memset(o, 0, sizeof(*o));
    if (!json_is_object(j)) {
        json_decref(j);
        return trl_errf(err, TRL_E_INVALID, "the configuration is no JSON object");
    }
    take_all(j, o);
    json_decref(j);
    st = o->path ? check_all(o, err) : trl_errf(err, TRL_E_INVALID, "path: is missing");
    if (st != TRL_OK) {
        opts_finish(o);
    }
    return st;
}

void opts_finish(struct opts *o) {
    free(o->url);
    free(o->unix_socket);
    free(o->path);
    free(o->batch_path);
    free(o->revision_path);
    free(o->token_file);
    free(o->ca);
    free(o->cert);
    free(o->key);
    memset(o, 0, sizeof(*o));
}

/* prefix and path with {point} filled in and '/' replaced. */
static char *filled(const char *prefix, const char *path, uint32_t point, char slash) {
    const char *name = opts_point_name(point);
    size_t marks = 0, k = strlen(prefix);
    for (const char *p = strstr(path, POINT_MARK); p; p = strstr(p + 1, POINT_MARK)) {
        marks++;
    }
    char *out = x_alloc(k + strlen(path) + marks * strlen(name) + 1);
    memcpy(out, prefix, k);
    for (const char *p = path; *p;) {
        if (strncmp(p, POINT_MARK, strlen(POINT_MARK)) == 0) {
            memcpy(out + k, name, strlen(name));
            k += strlen(name);
            p += strlen(POINT_MARK);
        } else {
            out[k++] = *p == '/' ? slash : *p;
            p++;
        }
    }
    out[k] = '\0';
    return out;
}

char *opts_data_path(const char *path, uint32_t point) {
    return filled("/v1/data/", path, point, '/');
}

char *opts_rule_name(const char *path, uint32_t point) {
    return filled("data.", path, point, '.');
}
