/* SPDX-License-Identifier: Apache-2.0 */
#include "links.h"

#include <ctype.h>

#include "../common/xmem.h"
#include "listen.h"
#include "report.h"
#include "secrets.h"

#define ANY_PORT "127.0.0.1:0"

static int is(const json_t *l, const char *key, trl_str s) {
    return trl_str_eq(trl_cstr(j_str(l, key, "")), s);
}

/* The one with this identity; without a target the first with its delete key. */
static json_t *find(const struct trl_inst *d, const trl_link *k, size_t *ret_at) {
    size_t i;
    json_t *l;
    json_array_foreach(d->links, i, l) {
        if (is(l, "source", k->source) && is(l, "name", k->name) && is(l, "ns", k->ns) &&
            is(l, "package", k->package) && (!k->target.len || is(l, "target", k->target))) {
            *ret_at = i;
            return l;
        }
    }
    return NULL;
}

static json_t *list_of(const trl_str *s, uint32_t n) {
    json_t *j = json_array();
    for (uint32_t i = 0; i < n; i++) {
        json_array_append_new(j, j_of(s[i]));
    }
    return j;
}

static json_t *link_of(const trl_link *k) {
    json_t *l = json_object();
    json_object_set_new(l, "source", j_of(k->source));
    json_object_set_new(l, "target", j_of(k->target));
    json_object_set_new(l, "name", j_of(k->name));
    json_object_set_new(l, "ns", j_of(k->ns));
    json_object_set_new(l, "package", j_of(k->package));
    json_object_set_new(l, "interfaces", list_of(k->interfaces, k->n_interfaces));
    json_object_set_new(l, "source_config", list_of(k->source_config, k->n_source_config));
    json_object_set_new(l, "target_config", list_of(k->target_config, k->n_target_config));
    return l;
}

static trl_str text_at(const json_t *v) {
    return trl_strn(json_string_value(v), json_string_length(v));
}

static const trl_str *fill(const json_t *list, uint32_t *n, trl_str **at) {
    const trl_str *first = *at;
    size_t i;
    const json_t *v;
    *n = (uint32_t)json_array_size(list);
    json_array_foreach(list, i, v) {
        *(*at)++ = text_at(v);
    }
    return first;
}

static void view(const json_t *l, trl_link *k, trl_str **at) {
    *k = (trl_link){.struct_size = sizeof(*k),
                    .source = text_at(json_object_get(l, "source")),
                    .target = text_at(json_object_get(l, "target")),
                    .name = text_at(json_object_get(l, "name")),
                    .ns = text_at(json_object_get(l, "ns")),
                    .package = text_at(json_object_get(l, "package"))};
    k->interfaces = fill(json_object_get(l, "interfaces"), &k->n_interfaces, at);
    k->source_config = fill(json_object_get(l, "source_config"), &k->n_source_config, at);
    k->target_config = fill(json_object_get(l, "target_config"), &k->n_target_config, at);
}

static size_t texts_in(const json_t *l) {
    return json_array_size(json_object_get(l, "interfaces")) +
           json_array_size(json_object_get(l, "source_config")) +
           json_array_size(json_object_get(l, "target_config"));
}

void links_report(struct trl_inst *d) {
    size_t n = json_array_size(d->links), texts = 0, i;
    const json_t *l;
    json_array_foreach(d->links, i, l) {
        texts += texts_in(l);
    }
    trl_link *all = x_zalloc_n(n, sizeof(*all));
    trl_str *strs = x_zalloc_n(texts, sizeof(*strs)), *at = strs;
    json_array_foreach(d->links, i, l) {
        view(l, &all[i], &at);
    }
    d->observe->links(d->host->ctx, trl_cstr(d->set.lattice), all, (uint32_t)n, sizeof(*all), 1);
    free(all);
    free(strs);
}

static void touch(struct trl_inst *d, const char *unit) {
    struct unit *u = unit_find(d, unit);
    if (u) {
        unit_touch(u);
    }
}

static char *listener_name(const char *link) {
    char *name = text_format("link-%s", link);
    for (char *c = name; *c; c++) {
        *c = isalnum((unsigned char)*c) || *c == '.' || *c == '_' ? *c : '-';
    }
    return name;
}

/* The target's socket. Where it cannot have the port it had, it gets another one. */
static int listen_for(struct trl_inst *d, json_t *l, char *why, size_t cap) {
    char *name = listener_name(j_str(l, "name", ""));
    const char *target = j_str(l, "target", ""), *had = j_str(l, "address", NULL);
    struct listener *s = listener_find(d, target, name);
    s = s ? s : had ? listener_get(d, target, name, had, why, cap) : NULL;
    s = s ? s : listener_get(d, target, name, ANY_PORT, why, cap);
    free(name);
    if (!s) {
        return -1;
    }
    json_object_set_new(l, "address", json_string(s->address));
    return 0;
}

void links_listen(struct trl_inst *d) {
    size_t i;
    json_t *l;
    char why[256];
    json_array_foreach(d->links, i, l) {
        if (listen_for(d, l, why, sizeof(why)) < 0) {
            trl_logf(d->host, TRL_LOG_WARN, "link %s to %s: %s", j_str(l, "name", ""),
                     j_str(l, "target", ""), why);
        }
    }
}

int links_target(const struct trl_inst *d, const char *unit, const char *listener) {
    size_t i;
    const json_t *l;
    int hit = 0;
    json_array_foreach(d->links, i, l) {
        if (strcmp(j_str(l, "target", ""), unit) == 0) {
            char *name = listener_name(j_str(l, "name", ""));
            hit |= strcmp(name, listener) == 0;
            free(name);
        }
    }
    return hit;
}

/* What both ends know of configs, by content. */
static uint64_t hash_configs(const struct trl_inst *d, uint64_t h, const json_t *list) {
    size_t i;
    const json_t *v;
    json_array_foreach(list, i, v) {
        const char *name = json_string_value(v) ? json_string_value(v) : "";
        uint64_t c = configs_hash_of(d, name);
        h = trl_hash_more(text_hash(h, name), &c, sizeof(c));
    }
    return h;
}

uint64_t links_hash(const struct trl_inst *d, const char *unit) {
    uint64_t sum = 0; /* whatever their order */
    size_t i;
    const json_t *l;
    json_array_foreach(d->links, i, l) {
        int source = strcmp(j_str(l, "source", ""), unit) == 0;
        if (!source && strcmp(j_str(l, "target", ""), unit) != 0) {
            continue;
        }
        uint64_t h = text_hash(TRL_HASH_INIT, source ? "source" : "target");
        h = text_hash(h, j_str(l, "name", ""));
        h = text_hash(h, j_str(l, "ns", ""));
        h = text_hash(h, j_str(l, "package", ""));
        h = text_hash(h, j_str(l, "address", ""));
        sum += hash_configs(d, h, json_object_get(l, source ? "source_config" : "target_config"));
    }
    return sum;
}

char *env_name(const char *text) {
    char *c = text_dup(trl_cstr(text));
    for (char *at = c; *at; at++) {
        *at = isalnum((unsigned char)*at) ? (char)toupper((unsigned char)*at) : '_';
    }
    return c;
}

static void put_env(json_t *env, const char *name, const char *part, const char *value) {
    char *key = text_format("TRELLIS_LINK_%s_%s", name, part);
    json_object_set_new(env, key, json_string(value));
    free(key);
}

void links_env(const struct trl_inst *d, const char *unit, json_t *env) {
    size_t i, k;
    const json_t *l, *v;
    json_array_foreach(d->links, i, l) {
        int source = strcmp(j_str(l, "source", ""), unit) == 0;
        if (!source && strcmp(j_str(l, "target", ""), unit) != 0) {
            continue;
        }
        char *name = env_name(j_str(l, "name", "")), *package = env_name(j_str(l, "package", ""));
        char *full = text_format("%s_%s", package, name);
        put_env(env, name, "ADDR", j_str(l, "address", ""));
        put_env(env, full, "ADDR", j_str(l, "address", ""));
        json_array_foreach(json_object_get(l, source ? "source_config" : "target_config"), k, v) {
            const char *key, *config = json_string_value(v) ? json_string_value(v) : "";
            json_t *value;
            json_t *map = secret_is(config) ? NULL : json_object_get(d->configs, config);
            json_object_foreach(map, key, value) {
                char *part = env_name(key);
                put_env(env, name, part, json_string_value(value));
                free(part);
            }
        }
        free(name);
        free(package);
        free(full);
    }
}

static void on_saved(void *arg, int error) {
    struct ticket *t = arg;
    if (error) {
        ticket_fail(t, TRL_E_UNAVAIL, "the link could not be kept on disk");
    } else {
        ticket_ok(t);
    }
    free(t);
}

static void put(struct trl_inst *d, const trl_link *k, json_t *fresh) {
    size_t at = 0;
    json_t *old = find(d, k, &at);
    trl_link seen;
    trl_str *strs = x_zalloc_n(texts_in(fresh), sizeof(*strs)), *to = strs;
    if (old) {
        json_array_set(d->links, at, fresh);
    } else {
        json_array_append(d->links, fresh);
    }
    view(fresh, &seen, &to);
    touch(d, j_str(fresh, "source", ""));
    touch(d, j_str(fresh, "target", ""));
    d->observe->links(d->host->ctx, trl_cstr(d->set.lattice), &seen, 1, sizeof(seen), 0);
    free(strs);
}

static void del(struct trl_inst *d, const trl_link *k) {
    size_t at = 0;
    json_t *l = find(d, k, &at);
    trl_link seen = *k;
    if (l) {
        json_incref(l);
        json_array_remove(d->links, at);
        char *name = listener_name(j_str(l, "name", ""));
        const char *target = j_str(l, "target", "");
        struct listener *s = links_target(d, target, name) ? NULL : listener_find(d, target, name);
        if (s) {
            listener_close(d, s);
        }
        touch(d, j_str(l, "source", ""));
        touch(d, target);
        seen.target = text_at(json_object_get(l, "target"));
        free(name);
    }
    d->observe->link_gone(d->host->ctx, trl_cstr(d->set.lattice), &seen);
    json_decref(l);
}

void links_apply(struct trl_inst *d, trl_op *op, const trl_action *a) {
    char why[256];
    if (!a->link || !a->link->source.len || !a->link->name.len ||
        (a->verb != TRL_DO_LINK_DEL && !a->link->target.len)) {
        op_refuse(&d->desk, op, TRL_E_INVALID, "the link has no source, target or name");
        return;
    }
    if (a->verb == TRL_DO_LINK_DEL) {
        del(d, a->link);
    } else {
        json_t *fresh = link_of(a->link);
        if (listen_for(d, fresh, why, sizeof(why)) < 0) {
            op_refuse(&d->desk, op, TRL_E_UNAVAIL, "%s", why);
            json_decref(fresh);
            return;
        }
        put(d, a->link, fresh);
        json_decref(fresh);
    }
    struct ticket *t = x_zalloc(sizeof(*t));
    ticket_open(t, &d->desk, op);
    save_file(d, "links.json", json_dumps(d->links, JSON_COMPACT), on_saved, t);
}
