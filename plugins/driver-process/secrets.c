/* SPDX-License-Identifier: Apache-2.0 */
#include "secrets.h"

#include <ctype.h>

#include "../common/xmem.h"
#include "links.h"

#define PREFIX "SECRET_"

int secret_is(const char *config) {
    return strncmp(config, PREFIX, strlen(PREFIX)) == 0;
}

uint64_t secret_hash(const struct trl_inst *d, const char *config) {
    json_t *ref = json_copy(json_object_get(d->configs, config));
    if (ref && d->secret_place) { /* files can be rewritten under a running process */
        json_object_del(ref, "version");
    }
    uint64_t h = ref ? config_hash(ref) : 0;
    json_decref(ref);
    return h;
}

/* Each reference of the unit once. link: of which link, or NULL. */
static void each(const struct unit *u, void (*fn)(void *arg, const char *config, const char *link),
                 void *arg) {
    size_t i, k;
    const json_t *l, *v;
    json_array_foreach(json_object_get(u->want->j, "configs"), k, v) {
        const char *config = json_string_value(v) ? json_string_value(v) : "";
        if (secret_is(config)) {
            fn(arg, config, NULL);
        }
    }
    json_array_foreach(u->d->links, i, l) {
        const char *end = strcmp(j_str(l, "source", ""), u->id) == 0   ? "source_config"
                          : strcmp(j_str(l, "target", ""), u->id) == 0 ? "target_config"
                                                                       : "";
        json_array_foreach(json_object_get(l, end), k, v) {
            const char *config = json_string_value(v) ? json_string_value(v) : "";
            if (secret_is(config)) {
                fn(arg, config, j_str(l, "name", ""));
            }
        }
    }
}

struct sum {
    const struct trl_inst *d;
    uint64_t h;
};

static void add_hash(void *arg, const char *config, const char *link) {
    struct sum *s = arg;
    uint64_t h = config_hash(json_object_get(s->d->configs, config));
    h = trl_hash_more(text_hash(text_hash(TRL_HASH_INIT, config), link ? link : ""), &h, sizeof(h));
    s->h += h ? h : 1;
}

uint64_t secrets_hash(const struct unit *u) {
    struct sum s = {u->d, 0};
    each(u, add_hash, &s);
    return s.h;
}

/* A name that is safe in a directory. */
static char *file_name(const char *link, const char *name) {
    char *c = link ? text_format("link-%s.%s", link, name) : text_dup(trl_cstr(name));
    for (char *at = c; *at; at++) {
        int ok = isalnum((unsigned char)*at) || *at == '_' || *at == '-' || (*at == '.' && at > c);
        *at = ok ? *at : '_';
    }
    if (strlen(c) > 200) {
        c[200] = '\0';
    }
    return c;
}

struct gathering {
    struct secrets *s;
    size_t cap;
};

static void gather(void *arg, const char *config, const char *link) {
    struct gathering *g = arg;
    struct secrets *s = g->s;
    const json_t *ref = json_object_get(s->d->configs, config);
    const char *name = j_str(ref, "name", config + strlen(PREFIX));
    char *file = file_name(link, name), *upper = env_name(name), *from = env_name(link ? link : "");
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->at[i].file, file) == 0) {
            if (strcmp(s->at[i].config, config) != 0) {
                snprintf(s->why, sizeof(s->why), "two of its secrets are named %s", name);
            }
            free(file), free(upper), free(from);
            return;
        }
    }
    if (!ref || !j_str(ref, "key", "")[0] || !j_str(ref, "backend", "")[0]) {
        snprintf(s->why, sizeof(s->why), "secret %s: its reference %s", name,
                 ref ? "names no backend and key" : "is not here yet");
    }
    s->at = x_grow(s->at, s->n, &g->cap, sizeof(*s->at));
    s->at[s->n++] = (struct secret){
        .config = text_dup(trl_cstr(config)),
        .file = file,
        .var = link ? text_format("TRELLIS_LINK_%s_SECRET_%s_FILE", from, upper)
                    : text_format("TRELLIS_SECRET_%s_FILE", upper),
        .ref = ref ? json_deep_copy(ref) : json_object(),
    };
    free(upper);
    free(from);
}

struct secrets *secrets_of(const struct unit *u, char *why, size_t cap) {
    struct trl_inst *d = u->d;
    struct secrets *s = x_zalloc(sizeof(*s));
    struct gathering g = {s, 0};
    s->d = d;
    s->unit = text_dup(trl_cstr(u->id));
    s->app = text_dup(trl_cstr(unit_app(u)));
    s->kind = u->want->kind;
    s->hash = secrets_hash(u);
    each(u, gather, &g);
    if (s->n && (!d->secret_read || !d->secret)) {
        snprintf(s->why, sizeof(s->why), "it names a secret, and nobody gives this driver any");
    }
    snprintf(why, cap, "%s", s->why);
    if (s->n == 0 || s->why[0]) {
        secrets_free(s);
        return NULL;
    }
    for (size_t i = 0; i < s->n; i++) {
        s->at[i].of = s;
    }
    return s;
}

void secrets_free(struct secrets *s) {
    if (!s) {
        return;
    }
    secret_wipe(s);
    for (size_t i = 0; i < s->n; i++) {
        struct secret *x = &s->at[i];
        if (x->call) {
            s->d->secret_read->cancel(s->d->host->ctx, x->call);
        }
        free(x->config);
        free(x->file);
        free(x->var);
        json_decref(x->ref);
    }
    free(s->at);
    free(s->unit);
    free(s->app);
    free(s->dir);
    free(s);
}

void secrets_env(const struct secrets *s, int first_fd, json_t *env) {
    if (s->dir) {
        json_object_set_new(env, "TRELLIS_SECRETS_DIR", json_string(s->dir));
    }
    for (size_t i = 0; i < s->n; i++) {
        json_t *at = s->dir ? json_sprintf("%s/%s", s->dir, s->at[i].file)
                            : json_sprintf("/proc/self/fd/%d", first_fd + (int)i);
        json_object_set_new(env, s->at[i].var, at);
    }
}

/* Fetching */

static void finish(void *arg) {
    struct secrets *s = arg;
    s->done(s->arg, s->why[0] ? s->why : NULL);
}

static void failed(struct secret *x, trl_status st, trl_str why) {
    const char *word = st == TRL_E_NOTFOUND ? "is missing"
                       : st == TRL_E_DENIED ? "may not be read"
                                            : "cannot be had";
    if (!x->of->why[0]) {
        char text[200];
        char *all = text_dup(why);
        text_line(text, sizeof(text), trl_cstr(all));
        free(all);
        snprintf(x->of->why, sizeof(x->of->why), "secret %s %s: %s", x->file, word, text);
    }
}

static void on_value(void *arg, trl_status st, const trl_secret *given, trl_str why) {
    struct secret *x = arg;
    struct secrets *s = x->of;
    x->call = 0;
    if (st != TRL_OK) {
        failed(x, st, why);
    } else if (given->value.len) {
        x->value = s->d->secret->alloc(s->d->host->ctx, given->value.len);
        if (x->value) {
            memcpy(x->value, given->value.ptr, given->value.len);
            x->n = given->value.len;
        } else {
            failed(x, TRL_E_BUSY, STR_LIT("no memory can be locked: raise the limit (ulimit -l)"));
        }
    }
    if (--s->waiting == 0) {
        finish(s);
    }
}

static trl_str member(const struct secret *x, const char *key) {
    return trl_cstr(j_str(x->ref, key, ""));
}

static void fetch(struct secret *x) {
    struct secrets *s = x->of;
    const struct trl_inst *d = s->d;
    json_t *policy = json_loads(j_str(x->ref, "policy", "{}"), 0, NULL);
    json_t *properties = json_object_get(policy, "properties");
    char *text = properties ? json_dumps(properties, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    trl_secret_ref ref = {.struct_size = sizeof(ref),
                          .key = member(x, "key"),
                          .field = member(x, "field"),
                          .version = member(x, "version"),
                          .properties = trl_cstr(text ? text : ""),
                          .lattice = trl_cstr(d->set.lattice),
                          .app = trl_cstr(s->app),
                          .entity = trl_cstr(s->unit)};
    trl_secret_read r = {.struct_size = sizeof(r),
                         .kind = s->kind,
                         .backend = member(x, "backend"),
                         .host_id = trl_cstr(d->host_id),
                         .ref = &ref};
    x->call = d->secret_read->fetch(d->host->ctx, &r, on_value, x);
    free(text);
    json_decref(policy);
}

void secrets_fetch(struct secrets *s, void (*done)(void *arg, const char *why), void *arg) {
    s->done = done;
    s->arg = arg;
    s->waiting = s->n;
    for (size_t i = 0; i < s->n; i++) {
        fetch(&s->at[i]);
    }
}
