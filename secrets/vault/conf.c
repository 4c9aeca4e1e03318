/* SPDX-License-Identifier: Apache-2.0 */
#include "conf.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>

#include "../../plugins/common/xmem.h"

#define K8S_JWT "/var/run/secrets/kubernetes.io/serviceaccount/token"

static const char *const method_names[] = {"token", "approle", "jwt", "kubernetes"};

const char *conf_method_name(enum conf_method m) {
    return method_names[m];
}

static char *dup(const char *s) {
    return x_checked(strdup(s));
}

/* NULL when it is absent or empty and there is no default. */
static char *get(const json_t *b_in, const char *key, const char *dflt) {
    const char *s = json_string_value(json_object_get(b_in, key));
    return s && *s ? dup(s) : dflt ? dup(dflt) : NULL;
}

static int64_t get_int(const json_t *b_in, const char *key, int64_t dflt) {
    const json_t *b = json_object_get(b_in, key);
    return json_is_integer(b) ? json_integer_value(b) : dflt;
}

/* A path of the server: no empty, "." or ".." part, nothing that does not belong in a path. Slashes
 * at the ends are taken off. */
static trl_status path_ok(const char *name, char *path, trl_err *err) {
    size_t n = strlen(path);
    while (n && path[n - 1] == '/') {
        path[--n] = '\0';
    }
    size_t lead = strspn(path, "/");
    memmove(path, path + lead, n - lead + 1);
    if (n - lead > CONF_PATH_MAX) {
        return trl_errf(err, TRL_E_INVALID, "%s: it is longer than %u bytes", name, CONF_PATH_MAX);
    }
    for (const char *p = path; *p;) {
        size_t part = strcspn(p, "/");
        if (part == 0 || (part == 1 && p[0] == '.') || (part == 2 && !strncmp(p, "..", 2))) {
            return trl_errf(err, TRL_E_INVALID, "%s: a part of the path is empty, '.' or '..'",
                            name);
        }
        for (size_t i = 0; i < part; i++) {
            if ((unsigned char)p[i] <= 0x20 || p[i] == 0x7f || strchr("?#%\\", p[i])) {
                return trl_errf(err, TRL_E_INVALID,
                                "%s: a blank, '?', '#', '%%' or '\\' cannot be in it", name);
            }
        }
        p += part + (p[part] == '/');
    }
    return TRL_OK;
}

static char *url_part(CURLU *u, CURLUPart what, unsigned flags) {
    char *s = NULL;
    if (curl_url_get(u, what, &s, flags) != CURLUE_OK) {
        return NULL;
    }
    char *own = dup(s);
    curl_free(s);
    return own;
}

static char *join(const char *a, const char *b, const char *c) {
    size_t n = strlen(a) + strlen(b) + strlen(c) + 1;
    char *s = x_alloc(n);
    snprintf(s, n, "%s%s%s", a, b, c);
    return s;
}

static bool loopback(const char *host) {
    return !strncmp(host, "127.", 4) || !strcmp(host, "[::1]") || !strcmp(host, "localhost");
}

static trl_status parse_url(struct conf *c, CURLU *u, const char *address, trl_err *err) {
    static const char hint[] = "address: write it as https://host:port";
    if (curl_url_set(u, CURLUPART_URL, address, 0) != CURLUE_OK) {
        return trl_errf(err, TRL_E_INVALID, "%s (this is no URL)", hint);
    }
    char *scheme = url_part(u, CURLUPART_SCHEME, 0), *host = url_part(u, CURLUPART_HOST, 0);
    char *port = url_part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    char *user = url_part(u, CURLUPART_USER, 0), *query = url_part(u, CURLUPART_QUERY, 0);
    trl_status rc = TRL_OK;
    c->base = url_part(u, CURLUPART_PATH, 0);
    if (!scheme || !host || !port || !c->base ||
        (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)) {
        rc = trl_errf(err, TRL_E_INVALID, "%s (http and https only)", hint);
    } else if (user || query) {
        rc = trl_errf(err, TRL_E_INVALID, "%s (no user, no query: see auth)", hint);
    } else {
        size_t n = strlen(c->base);
        while (n && c->base[n - 1] == '/') {
            c->base[--n] = '\0';
        }
        c->tls = strcmp(scheme, "https") == 0;
        c->open_net = !c->tls && !loopback(host);
        char *with_port = join(host, ":", port);
        c->url = join(scheme, "://", with_port);
        bool usual = strcmp(port, c->tls ? "443" : "80") == 0;
        c->authority = usual ? dup(host) : dup(with_port);
        free(with_port);
    }
    free(scheme);
    free(host);
    free(port);
    free(user);
    free(query);
    return rc;
}

static trl_status take_url(struct conf *c, const json_t *b_in, trl_err *err) {
    char *address = get(b_in, "address", "https://127.0.0.1:8200");
    CURLU *u = x_checked(curl_url());
    trl_status rc = parse_url(c, u, address, err);
    curl_url_cleanup(u);
    free(address);
    return rc;
}

static trl_status need(trl_err *err, enum conf_method m, const char *what) {
    return trl_errf(err, TRL_E_INVALID, "auth: method %s needs %s", method_names[m], what);
}

/* An option that the method does not know is a misunderstanding, not something to pass over. */
static trl_status not_for(const struct conf *c, trl_err *err) {
    const struct {
        const char *name, *have;
        unsigned methods;
    } all[] = {
        {"token_file", c->token_file, 1u << CONF_TOKEN},
        {"role_id", c->role_id, 1u << CONF_APPROLE},
        {"role_id_file", c->role_id_file, 1u << CONF_APPROLE},
        {"secret_id_file", c->secret_id_file, 1u << CONF_APPROLE},
        {"role", c->role, 1u << CONF_JWT | 1u << CONF_KUBERNETES},
        {"jwt_file", c->jwt_file, 1u << CONF_JWT | 1u << CONF_KUBERNETES},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (all[i].have && !(all[i].methods & 1u << c->method)) {
            return trl_errf(err, TRL_E_INVALID,
                            "auth.%s does not belong to method %s: drop it or set auth.method",
                            all[i].name, method_names[c->method]);
        }
    }
    return TRL_OK;
}

static trl_status take_auth(struct conf *c, const json_t *b_in, trl_err *err) {
    const json_t *b_auth = json_object_get(b_in, "auth");
    const char *method = json_string_value(json_object_get(b_auth, "method"));
    for (size_t i = 0; method && i < 4; i++) {
        if (strcmp(method, method_names[i]) == 0) {
            c->method = (enum conf_method)i;
        }
    }
    c->auth_mount = get(b_auth, "mount", method_names[c->method]);
    c->token_file = get(b_auth, "token_file", NULL);
    c->role = get(b_auth, "role", NULL);
    c->role_id = get(b_auth, "role_id", NULL);
    c->role_id_file = get(b_auth, "role_id_file", NULL);
    c->secret_id_file = get(b_auth, "secret_id_file", NULL);
    c->jwt_file = get(b_auth, "jwt_file", c->method == CONF_KUBERNETES ? K8S_JWT : NULL);
    trl_status rc = path_ok("auth.mount", c->auth_mount, err);
    if (rc != TRL_OK || (rc = not_for(c, err)) != TRL_OK) {
        return rc;
    }
    switch (c->method) {
    case CONF_TOKEN:
        return c->token_file ? TRL_OK : need(err, c->method, "token_file");
    case CONF_APPROLE:
        if (c->role_id && c->role_id_file) {
            return trl_errf(err, TRL_E_INVALID, "auth: role_id and role_id_file: keep one");
        }
        return c->role_id || c->role_id_file ? TRL_OK
                                             : need(err, c->method, "role_id or role_id_file");
    case CONF_KUBERNETES:
        return c->role ? TRL_OK : need(err, c->method, "role");
    default:
        return c->jwt_file ? TRL_OK : need(err, c->method, "jwt_file");
    }
}

static trl_status take_tls(struct conf *c, const json_t *b_in, trl_err *err) {
    const json_t *b_tls = json_object_get(b_in, "tls");
    c->ca = get(b_tls, "ca", NULL);
    c->cert = get(b_tls, "cert", NULL);
    c->key = get(b_tls, "key", NULL);
    c->hostname_check = !json_is_false(json_object_get(b_tls, "hostname_check"));
    if (!c->cert != !c->key) {
        return trl_errf(err, TRL_E_INVALID, "tls: cert and key belong together");
    }
    if (!c->tls && (c->ca || c->cert || !c->hostname_check)) {
        return trl_errf(err, TRL_E_INVALID, "tls: address is http://: write https:// or drop tls");
    }
    return TRL_OK;
}

static trl_status take(struct conf *c, const json_t *b_in, trl_err *err) {
    c->mount = get(b_in, "mount", "secret");
    c->prefix = get(b_in, "prefix", "");
    c->ns = get(b_in, "namespace", "");
    c->field = get(b_in, "field", "value");
    c->proxy = get(b_in, "proxy", NULL);
    c->version_key = get(b_in, "version_key", NULL);
    c->kv_version = (int)get_int(b_in, "kv_version", 2);
    c->timeout_ns = get_int(b_in, "request_timeout_ms", 5000) * 1000000;
    c->connect_ns = get_int(b_in, "connect_timeout_ms", 2000) * 1000000;
    c->poll_ns = get_int(b_in, "poll_interval_ms", 30000) * 1000000;
    c->max_answer = (size_t)get_int(b_in, "max_answer_bytes", 4194304);
    if (c->version_key && c->kv_version != 1) {
        return trl_errf(err, TRL_E_INVALID,
                        "version_key: for kv_version 1 only; version 2 has versions");
    }
    trl_status rc = path_ok("mount", c->mount, err);
    rc = rc != TRL_OK ? rc : path_ok("prefix", c->prefix, err);
    rc = rc != TRL_OK ? rc : path_ok("namespace", c->ns, err);
    rc = rc != TRL_OK ? rc : take_url(c, b_in, err);
    rc = rc != TRL_OK ? rc : take_auth(c, b_in, err);
    return rc != TRL_OK ? rc : take_tls(c, b_in, err);
}

trl_status conf_parse(trl_str json, struct conf *c, trl_err *err) {
    memset(c, 0, sizeof(*c));
    json_t *j = json.len ? json_loadb(json.ptr, json.len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    trl_status rc = json_is_object(j)
                        ? take(c, j, err)
                        : trl_errf(err, TRL_E_INVALID, "the config is no JSON object");
    json_decref(j);
    if (rc != TRL_OK) {
        conf_finish(c);
    }
    return rc;
}

void conf_finish(struct conf *c) {
    char **all[] = {&c->url,        &c->authority, &c->base,         &c->mount,
                    &c->prefix,     &c->ns,        &c->field,        &c->auth_mount,
                    &c->role,       &c->role_id,   &c->role_id_file, &c->secret_id_file,
                    &c->token_file, &c->jwt_file,  &c->ca,           &c->cert,
                    &c->key,        &c->proxy,     &c->version_key};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        free(*all[i]);
        *all[i] = NULL;
    }
}
