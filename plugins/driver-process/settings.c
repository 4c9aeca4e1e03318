/* SPDX-License-Identifier: Apache-2.0 */
#include "settings.h"

#include <signal.h>

#include "listen.h"

enum type { T_TEXT, T_COUNT, T_BOOL, T_TEXTS, T_MAP, T_OBJECT, T_ANY };
struct member {
    const char *name;
    enum type type;
};

static const struct member top[] = {
    {"args", T_TEXTS},    {"env", T_MAP},      {"directory", T_TEXT}, {"user", T_TEXT},
    {"group", T_TEXT},    {"listen", T_ANY},   {"health", T_OBJECT},  {"stop_timeout_ms", T_COUNT},
    {"limits", T_OBJECT}, {"overlap", T_BOOL}, {"entry", T_TEXT},     {"reload", T_TEXT},
    {NULL, T_ANY}};
static const struct member health[] = {
    {"http", T_TEXT},       {"tcp", T_TEXT},          {"exec", T_TEXTS},
    {"alive", T_BOOL},      {"notify", T_BOOL},       {"address", T_TEXT},
    {"threshold", T_COUNT}, {"interval_ms", T_COUNT}, {"timeout_ms", T_COUNT},
    {"grace_ms", T_COUNT},  {"settle_ms", T_COUNT},   {NULL, T_ANY}};
static const struct member limits[] = {{"memory_bytes", T_COUNT},
                                       {"cpu_millis", T_COUNT},
                                       {"pids", T_COUNT},
                                       {"nofile", T_COUNT},
                                       {"nproc", T_COUNT},
                                       {"core", T_COUNT},
                                       {"stack", T_COUNT},
                                       {"fsize", T_COUNT},
                                       {"memlock", T_COUNT},
                                       {"data", T_COUNT},
                                       {"as", T_COUNT},
                                       {"cpu", T_COUNT},
                                       {NULL, T_ANY}};

static int texts(const json_t *v) {
    size_t i;
    const json_t *x;
    json_array_foreach(v, i, x) {
        if (!json_is_string(x) || memchr(json_string_value(x), 0, json_string_length(x))) {
            return 0;
        }
    }
    return json_is_array(v);
}

static int map(const json_t *v) {
    const char *key;
    json_t *x;
    json_object_foreach((json_t *)(uintptr_t)v, key, x) {
        if (!json_is_string(x) || !*key || strchr(key, '=')) {
            return 0;
        }
    }
    return json_is_object(v);
}

static int fits(const json_t *v, enum type t) {
    return t == T_TEXT    ? json_is_string(v) && json_string_length(v) > 0
           : t == T_COUNT ? json_is_integer(v) && json_integer_value(v) >= 0
           : t == T_BOOL  ? json_is_boolean(v)
           : t == T_TEXTS ? texts(v)
           : t == T_MAP   ? map(v)
                          : t != T_OBJECT || json_is_object(v);
}

static int members(const char *where, const json_t *o, const struct member *known, char *why,
                   size_t cap) {
    static const char *const types[] = {"a text",         "a whole number of 0 or more",
                                        "true or false",  "a list of texts",
                                        "a map of texts", "a map",
                                        "something"};
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)o, key, v) {
        const struct member *m = known;
        while (m->name && strcmp(m->name, key) != 0) {
            m++;
        }
        if (!m->name) {
            snprintf(why, cap, "trait process: %s has no member \"%s\"", where, key);
            return -1;
        }
        if (!fits(v, m->type)) {
            snprintf(why, cap, "trait process: %s.%s must be %s", where, key, types[m->type]);
            return -1;
        }
    }
    return 0;
}

int settings_listen(const json_t *settings, size_t i, char *name, const char **address) {
    const json_t *list = json_object_get(settings, "listen");
    const json_t *v = json_is_array(list) ? json_array_get(list, i) : i == 0 ? list : NULL;
    const char *given = j_str(v, "name", NULL);
    *address = json_is_string(v) ? json_string_value(v) : j_str(v, "address", NULL);
    if (given) {
        snprintf(name, 64, "%s", given);
    } else if (i == 0) {
        snprintf(name, 64, "main");
    } else {
        snprintf(name, 64, "main%zu", i + 1);
    }
    return v != NULL;
}

static int check_listen(const json_t *settings, char *why, size_t cap) {
    char name[64];
    const char *address;
    for (size_t i = 0; settings_listen(settings, i, name, &address); i++) {
        if (!address || !listen_address_ok(address) || strpbrk(name, ": \t\n") || i >= 16) {
            snprintf(why, cap,
                     "trait process: listen[%zu]: %s%s%s; write \"127.0.0.1:8080\", \"8080\", "
                     "\"unix:/path\", or a map with name and address",
                     i, address ? "\"" : "", address ? address : "it has no address",
                     address ? "\" is no address" : "");
            return -1;
        }
    }
    return 0;
}

static int check_health(const json_t *h, char *why, size_t cap) {
    static const char *const kinds[] = {"http", "tcp", "exec", "alive", "notify"};
    int n = 0;
    for (size_t i = 0; i < 5; i++) {
        n += json_object_get(h, kinds[i]) != NULL;
    }
    const char *address = j_str(h, "tcp", j_str(h, "address", NULL));
    const char *path = j_str(h, "http", "/");
    if (h && n != 1) {
        snprintf(why, cap, "trait process: health needs one of http, tcp, exec, alive, notify");
    } else if (address && !listen_address_ok(address)) {
        snprintf(why, cap, "trait process: health: \"%s\" is no address", address);
    } else if (path[0] != '/' || strpbrk(path, " \r\n")) {
        snprintf(why, cap, "trait process: health.http must be a path that begins with /");
    } else if (json_object_get(h, "exec") && !json_array_size(json_object_get(h, "exec"))) {
        snprintf(why, cap, "trait process: health.exec names no program");
    } else if (j_int(h, "interval_ms", 1000) < 10 || j_int(h, "timeout_ms", 1000) < 10 ||
               j_int(h, "threshold", 3) < 1) {
        snprintf(why, cap,
                 "trait process: health: interval_ms and timeout_ms are at least 10, "
                 "threshold at least 1");
    } else {
        return 0;
    }
    return -1;
}

static int check_reload(const json_t *s, char *why, size_t cap) {
    const char *name = j_str(s, "reload", NULL);
    if (name && !settings_reload(s)) {
        snprintf(
            why, cap,
            "trait process: reload: \"%s\" is no signal for that: write SIGHUP, SIGUSR1, SIGUSR2 "
            "or SIGWINCH",
            name);
        return -1;
    }
    return 0;
}

int settings_check(const json_t *s, char *why, size_t cap) {
    if (s && !json_is_object(s)) {
        snprintf(why, cap, "trait process: its properties are no map");
        return -1;
    }
    return members("properties", s, top, why, cap) < 0 ||
                   members("health", json_object_get(s, "health"), health, why, cap) < 0 ||
                   members("limits", json_object_get(s, "limits"), limits, why, cap) < 0 ||
                   check_listen(s, why, cap) < 0 ||
                   check_health(json_object_get(s, "health"), why, cap) < 0 ||
                   check_reload(s, why, cap) < 0
               ? -1
               : 0;
}

struct health_spec settings_health(const json_t *settings) {
    const json_t *h = json_object_get(settings, "health");
    struct health_spec s = {.kind = HEALTH_ALIVE};
    s.kind = json_object_get(h, "http")     ? HEALTH_HTTP
             : json_object_get(h, "tcp")    ? HEALTH_TCP
             : json_object_get(h, "exec")   ? HEALTH_EXEC
             : json_object_get(h, "notify") ? HEALTH_NOTIFY
                                            : HEALTH_ALIVE;
    s.path = j_str(h, "http", "/");
    s.address = j_str(h, "tcp", j_str(h, "address", NULL));
    s.interval_ns = j_int(h, "interval_ms", 1000) * NS_PER_MS;
    s.timeout_ns = j_int(h, "timeout_ms", 1000) * NS_PER_MS;
    s.grace_ns = j_int(h, "grace_ms", 30000) * NS_PER_MS;
    s.settle_ns = j_int(h, "settle_ms", 200) * NS_PER_MS;
    s.threshold = j_int(h, "threshold", 3);
    return s;
}

int settings_own_listener(const json_t *settings) {
    struct health_spec h = settings_health(settings);
    return h.kind == HEALTH_HTTP && !h.address;
}

int64_t settings_stop_ms(const struct trl_inst *d, const json_t *settings) {
    return j_int(settings, "stop_timeout_ms", d->set.stop_ms);
}

int settings_overlap(const json_t *settings) {
    return !json_is_false(json_object_get(settings, "overlap"));
}

int settings_reload(const json_t *settings) {
    static const struct {
        const char *name;
        int signum;
    } known[] = {
        {"SIGHUP", SIGHUP}, {"SIGUSR1", SIGUSR1}, {"SIGUSR2", SIGUSR2}, {"SIGWINCH", SIGWINCH}};
    const char *name = j_str(settings, "reload", "");
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(name, known[i].name) == 0) {
            return known[i].signum;
        }
    }
    return 0;
}
