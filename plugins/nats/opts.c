/* SPDX-License-Identifier: Apache-2.0 */
#include "opts.h"

#include <ctype.h>

#include "subject.h"
#include "text.h"

int64_t opts_int(const json_t *config, const char *key, int64_t dflt) {
    const json_t *v = json_object_get(config, key);
    return json_is_integer(v) ? json_integer_value(v) : dflt;
}

int opts_bool(const json_t *config, const char *key, int dflt) {
    const json_t *v = json_object_get(config, key);
    return json_is_boolean(v) ? json_is_true(v) : dflt;
}

const char *opts_str(const json_t *config, const char *key) {
    const char *s = json_string_value(json_object_get(config, key));
    return s && *s ? s : NULL;
}

int opts_seed_literal(const char *s) {
    if (strlen(s) != 58 || s[0] != 'S') {
        return 0;
    }
    for (; *s; s++) {
        if (!((*s >= 'A' && *s <= 'Z') || (*s >= '2' && *s <= '7'))) {
            return 0;
        }
    }
    return 1;
}

static int hex(char c) {
    return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* A part of the user info, with %xx undone. */
static char *unescape(const char *s, size_t n) {
    char *out = x_alloc(n + 1);
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '%' && i + 2 < n && isxdigit((unsigned char)s[i + 1]) &&
            isxdigit((unsigned char)s[i + 2])) {
            out[k++] = (char)(hex(s[i + 1]) * 16 + hex(s[i + 2]));
            i += 2;
        } else {
            out[k++] = s[i];
        }
    }
    out[k] = '\0';
    return out;
}

/* "user:password" or "token" in a URL serves all URLs; two different ones are refused. */
static trl_status take_user_info(struct opts *o, const char *info, size_t n, trl_err *err) {
    const char *colon = memchr(info, ':', n);
    char *user = colon ? unescape(info, (size_t)(colon - info)) : NULL;
    char *secret = colon ? unescape(colon + 1, n - (size_t)(colon - info) - 1) : unescape(info, n);
    char **slot = colon ? &o->password : &o->token;
    int differs = (*slot && strcmp(*slot, secret) != 0) || (colon ? o->token : o->password) ||
                  (user && o->user && strcmp(o->user, user) != 0);
    text_wipe(*slot);
    *slot = secret;
    if (user) {
        free(o->user);
        o->user = user;
    }
    return differs
               ? trl_errf(err, TRL_E_INVALID,
                          "url: the URLs carry different users; all servers get the same one, so "
                          "write it once, or use user and password_file")
               : TRL_OK;
}

static trl_status bad_url(trl_err *err, const char *why) {
    return trl_errf(
        err, TRL_E_INVALID,
        "url: %s; expected nats://host:port or tls://host:port, several joined by commas", why);
}

/* host, host:port, [v6], [v6]:port */
static trl_status parse_address(const char *s, size_t n, struct opts_url *u, trl_err *err) {
    const char *end = s + n, *host = s, *host_end, *port;
    size_t port_len;
    if (n && *s == '[') {
        host_end = memchr(s, ']', n);
        if (!host_end) {
            return bad_url(err, "a '[' without ']'");
        }
        host = s + 1;
        port = host_end + 1;
    } else {
        host_end = memchr(s, ':', n);
        host_end = host_end ? host_end : end;
        port = host_end;
    }
    if (host_end == host) {
        return bad_url(err, "a host is missing");
    }
    if (port < end && *port != ':') {
        return bad_url(err, "something other than a port behind the host");
    }
    port_len = port < end ? (size_t)(end - port) - 1 : 0;
    if (port < end && !port_len) {
        return bad_url(err, "a ':' without a port");
    }
    for (size_t i = 0; i < port_len; i++) {
        if (!isdigit((unsigned char)port[1 + i]) || port_len > 5) {
            return bad_url(err, "a port that is no number up to 65535");
        }
    }
    if (port_len && (strtol(port + 1, NULL, 10) > 65535 || strtol(port + 1, NULL, 10) < 1)) {
        return bad_url(err, "a port that is no number from 1 to 65535");
    }
    for (const char *p = host; p < host_end; p++) {
        if ((unsigned char)*p <= ' ' || *p == '/' || *p == '@') {
            return bad_url(err, "a host with a character that hosts do not have");
        }
    }
    u->host = text_of(trl_strn(host, (size_t)(host_end - host)));
    u->url = text_fmt("%s://%.*s:%.*s", u->tls ? "tls" : "nats", (int)(port - s), s,
                      port_len ? (int)port_len : 4, port_len ? port + 1 : "4222");
    return TRL_OK;
}

static trl_status parse_url(struct opts *o, const char *s, size_t n, trl_err *err) {
    struct opts_url *u = &o->urls[o->n_urls];
    const char *at;
    while (n && isspace((unsigned char)*s)) {
        s++, n--;
    }
    while (n && (isspace((unsigned char)s[n - 1]))) {
        n--;
    }
    o->n_urls++;
    for (size_t i = 0; i + 2 < n; i++) {
        if (memcmp(s + i, "://", 3) == 0) {
            u->tls = i == 3 && strncasecmp(s, "tls", 3) == 0;
            if (!u->tls && !(i == 4 && strncasecmp(s, "nats", 4) == 0)) {
                return bad_url(err, "a scheme other than nats and tls");
            }
            s += i + 3;
            n -= i + 3;
            break;
        }
    }
    while (n && s[n - 1] == '/') {
        n--;
    }
    at = n ? memrchr(s, '@', n) : NULL;
    if (at) {
        trl_status st = take_user_info(o, s, (size_t)(at - s), err);
        if (st < 0) {
            return st;
        }
        n -= (size_t)(at - s) + 1;
        s = at + 1;
    }
    return parse_address(s, n, u, err);
}

int opts_url_parse(const char *text, int tls, struct opts_url *ret) {
    const char *slashes = strstr(text, "://"), *s = slashes ? slashes + 3 : text;
    struct opts_url u = {.tls = tls};
    if (strchr(s, '@') || parse_address(s, strlen(s), &u, NULL) < 0) {
        return 0;
    }
    *ret = u;
    return 1;
}

static trl_status parse_urls(struct opts *o, const char *list, trl_err *err) {
    size_t n = 1;
    for (const char *p = list; *p; p++) {
        n += *p == ',';
    }
    o->urls = x_zalloc_n(n, sizeof(*o->urls));
    for (const char *s = list; s;) {
        const char *comma = strchr(s, ',');
        trl_status st = parse_url(o, s, comma ? (size_t)(comma - s) : strlen(s), err);
        if (st < 0) {
            return st;
        }
        s = comma ? comma + 1 : NULL;
    }
    return TRL_OK;
}

static const char *const own_members[] = {
    "url",
    "creds",
    "nkey_seed",
    "jwt",
    "user",
    "password",
    "password_file",
    "token",
    "token_file",
    "tls",
    "name",
    "inbox_prefix",
    "connect_timeout_ms",
    "ping_interval_ms",
    "reconnect_max_ms",
    "pending_bytes",
};

static char *make_key(const json_t *config) {
    json_t *j_own = json_object();
    char *key;
    for (size_t i = 0; i < sizeof(own_members) / sizeof(own_members[0]); i++) {
        json_t *b_v = json_object_get(config, own_members[i]);
        if (b_v) {
            json_object_set(j_own, own_members[i], b_v);
        }
    }
    key = json_dumps(j_own, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(j_own);
    return x_checked(key);
}

static trl_status check_pairs(const struct opts *o, trl_err *err) {
    trl_str prefix = trl_cstr(o->inbox_prefix);
    int by_user = o->user || o->password || o->password_file;
    int by_token = o->token || o->token_file;
    int by_key = o->seed || o->jwt;
    if (prefix.len > 64 || !subject_ok(prefix, 0)) {
        return trl_errf(
            err, TRL_E_INVALID,
            "inbox_prefix: no subject (tokens joined by '.', no wildcards, 64 characters)");
    }
    if (o->jwt && !o->seed) {
        return trl_errf(err, TRL_E_INVALID,
                        "jwt: needs nkey_seed beside it (the JWT says who, the seed signs)");
    }
    if (o->creds && by_key) {
        return trl_errf(err, TRL_E_INVALID,
                        "creds: already holds JWT and seed; drop nkey_seed and jwt, or creds");
    }
    if (o->password && o->password_file) {
        return trl_errf(err, TRL_E_INVALID, "password: there is password_file too; keep one");
    }
    if (o->token && o->token_file) {
        return trl_errf(err, TRL_E_INVALID, "token: there is token_file too; keep one");
    }
    if (by_user && !(o->user && (o->password || o->password_file))) {
        return trl_errf(err, TRL_E_INVALID,
                        "user: goes together with password or password_file, each needs the other");
    }
    if (!!o->creds + by_key + by_user + by_token > 1) {
        return trl_errf(
            err, TRL_E_INVALID,
            "more than one way to log in: keep one of creds, nkey_seed (with jwt), user "
            "(with password), token");
    }
    if (!o->tls.cert != !o->tls.key) {
        return trl_errf(err, TRL_E_INVALID,
                        "tls: cert and key go together, the key for the certificate is asked for");
    }
    return TRL_OK;
}

static void parse_tls(struct opts *o, const json_t *tls) {
    o->tls.ca = text_dup(opts_str(tls, "ca"));
    o->tls.cert = text_dup(opts_str(tls, "cert"));
    o->tls.key = text_dup(opts_str(tls, "key"));
    o->tls.hostname = text_dup(opts_str(tls, "hostname"));
    o->tls.hostname_check = opts_bool(tls, "hostname_check", 1);
    o->tls.required = opts_bool(tls, "required", 0) || o->tls.ca || o->tls.cert;
    for (size_t i = 0; i < o->n_urls; i++) {
        o->tls.required |= o->urls[i].tls;
    }
}

/* Explicit ways to log in win over a user in the URL, as in wadm. */
static void drop_url_user(struct opts *o) {
    text_wipe(o->password);
    text_wipe(o->token);
    free(o->user);
    o->user = o->password = o->token = NULL;
}

trl_status opts_parse(const json_t *config, struct opts *o, trl_err *err) {
    const char *url = opts_str(config, "url"), *prefix = opts_str(config, "inbox_prefix");
    const char *user = opts_str(config, "user"), *password = opts_str(config, "password");
    const char *token = opts_str(config, "token");
    trl_status st;
    memset(o, 0, sizeof(*o));
    st = parse_urls(o, url ? url : OPTS_DEFAULT_URL, err);
    if (st < 0) {
        return st;
    }
    o->creds = text_dup(opts_str(config, "creds"));
    o->seed = text_dup(opts_str(config, "nkey_seed"));
    o->jwt = text_dup(opts_str(config, "jwt"));
    o->password_file = text_dup(opts_str(config, "password_file"));
    o->token_file = text_dup(opts_str(config, "token_file"));
    if (o->creds || o->seed || o->jwt || o->password_file || o->token_file || user || password ||
        token) {
        drop_url_user(o);
        o->user = text_dup(user);
        o->password = text_dup(password);
        o->token = text_dup(token);
    }
    parse_tls(o, json_object_get(config, "tls"));
    o->name = text_dup(opts_str(config, "name") ? opts_str(config, "name") : "trellis");
    o->inbox_prefix = text_dup(prefix ? prefix : "_INBOX");
    o->connect_timeout_ms = opts_int(config, "connect_timeout_ms", 2000);
    o->ping_interval_ms = opts_int(config, "ping_interval_ms", 10000);
    o->reconnect_max_ms = opts_int(config, "reconnect_max_ms", 5000);
    o->pending_bytes = (size_t)opts_int(config, "pending_bytes", 64 << 20);
    o->key = make_key(config);
    return check_pairs(o, err);
}

void opts_finish(struct opts *o) {
    for (size_t i = 0; i < o->n_urls; i++) {
        free(o->urls[i].url);
        free(o->urls[i].host);
    }
    free(o->urls);
    free(o->user);
    text_wipe(o->password);
    text_wipe(o->token);
    free(o->password_file);
    free(o->token_file);
    free(o->creds);
    text_wipe(o->seed);
    text_wipe(o->jwt);
    free(o->tls.ca);
    free(o->tls.cert);
    free(o->tls.key);
    free(o->tls.hostname);
    free(o->name);
    free(o->inbox_prefix);
    text_wipe(o->key);
    memset(o, 0, sizeof(*o));
}
