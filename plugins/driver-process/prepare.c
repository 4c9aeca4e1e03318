/* SPDX-License-Identifier: Apache-2.0 */
#include "prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "../common/xmem.h"
#include "links.h"
#include "listen.h"
#include "report.h"
#include "secrets.h"

#define FIRST_FD 3  /* of what a process gets besides its standard streams */
#define HIGH_FD  64 /* above those a keeper gets */

__attribute__((format(printf, 2, 3))) static void line(struct spawn *s, const char *fmt, ...) {
    char *text;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n >= 0) {
        json_array_append_new(s->lines, json_string(text));
        free(text);
    }
}

/* A configuration's key as the name of a variable: what is no letter or digit becomes '_'. */
static char *variable(const char *key) {
    char *c = text_dup(trl_cstr(key));
    for (char *at = c; *at; at++) {
        int digit = *at >= '0' && *at <= '9';
        int letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || *at == '_';
        *at = letter || (digit && at > c) ? *at : '_';
    }
    return c;
}

/* Named configs, merged in their order; the values never go anywhere else. */
static json_t *merged_config(const struct run *r) {
    json_t *all = json_object();
    size_t i;
    const json_t *name;
    json_array_foreach(json_object_get(r->want->j, "configs"), i, name) {
        const char *c = json_string_value(name) ? json_string_value(name) : "";
        json_object_update(all, secret_is(c) ? NULL : json_object_get(r->unit->d->configs, c));
    }
    return all;
}

static void environment(struct spawn *s, const struct run *r, const json_t *config) {
    const struct trl_inst *d = r->unit->d;
    json_t *env = json_object(), *v;
    const char *key;
    char *dir = spawn_dir(d, r->id);
    json_object_set_new(env, "PATH", json_string(d->set.path));
    json_object_update(env, json_object_get(want_settings(r->want), "env"));
    json_object_foreach((json_t *)(uintptr_t)config, key, v) {
        char *name = variable(key);
        json_object_set(env, name, v);
        free(name);
    }
    links_env(d, r->unit->id, env);
    if (s->secrets) {
        secrets_env(s->secrets, FIRST_FD + s->n_fds, env);
    }
    json_object_set_new(env, "TRELLIS_UNIT", json_string(r->unit->id));
    json_object_set_new(env, "TRELLIS_LATTICE", json_string(d->set.lattice));
    json_object_set_new(env, "TRELLIS_INSTANCE", json_string(r->id));
    json_object_set_new(env, "TRELLIS_CONFIG_FILE", json_sprintf("%s/config.json", dir));
    if (settings_health(want_settings(r->want)).kind == HEALTH_NOTIFY) {
        json_object_set_new(env, "NOTIFY_SOCKET", json_sprintf("%s/notify", dir));
        line(s, "notify=1");
    }
    json_object_foreach(env, key, v) {
        line(s, "env=%s=%s", key, json_string_value(v));
    }
    json_decref(env);
    free(dir);
}

static void limits(struct spawn *s, const struct run *r) {
    static const char *const cgroup_only[] = {"memory_bytes", "cpu_millis", "pids"};
    const struct trl_inst *d = r->unit->d;
    const json_t *set = json_object_get(want_settings(r->want), "limits");
    const char *key;
    json_t *v;
    int wants_group = 0;
    json_object_foreach((json_t *)(uintptr_t)set, key, v) {
        int in_group = 0;
        for (int i = 0; i < 3; i++) {
            in_group |= strcmp(key, cgroup_only[i]) == 0;
        }
        wants_group |= in_group;
        if (!in_group) {
            line(s, "rlimit.%s=%lld", key, (long long)json_integer_value(v));
        }
    }
    if (!d->set.cgroup[0]) {
        if (wants_group) {
            trl_logf(d->host, TRL_LOG_WARN,
                     "%s: its limits of memory, CPU and processes are not enforced: give the "
                     "driver a delegated control group (option cgroup)",
                     r->unit->id);
        }
        return;
    }
    line(s, "cgroup=%s/%s", d->set.cgroup, r->id);
    if (j_int(set, "memory_bytes", 0)) {
        line(s, "memory.max=%lld", (long long)j_int(set, "memory_bytes", 0));
    }
    if (j_int(set, "cpu_millis", 0)) {
        line(s, "cpu.max=%lld 100000", (long long)j_int(set, "cpu_millis", 0) * 100);
    }
    if (j_int(set, "pids", 0)) {
        line(s, "pids.max=%lld", (long long)j_int(set, "pids", 0));
    }
}

static int add_fd(struct spawn *s, int fd, const char *name) {
    if (s->n_fds == SPAWN_FDS_MAX || fd < 0) {
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    char *names = s->n_fds ? text_format("%s:%s", s->fdnames, name) : text_dup(trl_cstr(name));
    free(s->fdnames);
    s->fdnames = names;
    s->fds[s->n_fds++] = fd;
    return 0;
}

/* The order is that of the names, "main" first of all, so that a program may rely on it. */
static int by_name(const void *a, const void *b) {
    const char *x = (*(struct listener *const *)a)->name, *y = (*(struct listener *const *)b)->name;
    int mx = strcmp(x, "main") != 0, my = strcmp(y, "main") != 0;
    return mx != my ? mx - my : strcmp(x, y);
}

static int sockets(struct spawn *s, struct run *r, char *why, size_t cap) {
    struct trl_inst *d = r->unit->d;
    struct listener *list[SPAWN_FDS_MAX];
    size_t n = 0;
    for (struct listener *l = d->listeners; l; l = l->next) {
        if (strcmp(l->unit, r->unit->id) == 0 && l->used && n < SPAWN_FDS_MAX) {
            list[n++] = l;
        }
    }
    qsort(list, n, sizeof(list[0]), by_name);
    for (size_t i = 0; i < n; i++) {
        if (add_fd(s, fcntl(list[i]->fd, F_DUPFD_CLOEXEC, HIGH_FD), list[i]->name) < 0) {
            snprintf(why, cap, "no descriptors are left: %s", strerror(errno));
            return -1;
        }
    }
    if (settings_own_listener(want_settings(r->want))) {
        int fd = listen_open("127.0.0.1:0", &r->check_address, why, cap);
        if (fd >= 0 && add_fd(s, fd, "health") < 0) {
            snprintf(why, cap, "it has more than %d sockets", SPAWN_FDS_MAX);
            return -1;
        }
        return fd < 0 ? -1 : 0;
    }
    return 0;
}

static int secrets(struct spawn *s, struct run *r, char *why, size_t cap) {
    const struct trl_inst *d = r->unit->d;
    s->secrets = secrets_of(r->unit, why, cap);
    if (!s->secrets) {
        return why[0] ? -1 : 0;
    }
    r->secrets = s->secrets->hash;
    if (d->secret_place) {
        s->secrets->dir = text_format("%s/%s", d->secret_place, s->id);
        line(s, "secrets_dir=%s", s->secrets->dir);
    } else if (s->n_fds + s->secrets->n > SPAWN_FDS_MAX) {
        snprintf(why, cap, "it has more than %d sockets and secrets", SPAWN_FDS_MAX);
        return -1;
    }
    return 0;
}

static char *meta(const struct run *r) {
    json_t *m = json_pack("{s:i,s:s,s:s,s:o,s:O}", "format", 1, "lattice", r->unit->d->set.lattice,
                          "unit", r->unit->id, "fp",
                          json_sprintf("%016llx", (unsigned long long)r->fp), "want", r->want->j);
    if (r->check_address) {
        json_object_set_new(m, "check", json_string(r->check_address));
    }
    char *text = json_dumps(m, JSON_COMPACT);
    json_decref(m);
    return text;
}

static char *dup_or_null(const char *s) {
    return s ? text_dup(trl_cstr(s)) : NULL;
}

struct spawn *spawn_prepare(struct run *r, char *why, size_t cap) {
    struct trl_inst *d = r->unit->d;
    const json_t *set = want_settings(r->want), *check;
    struct spawn *s = x_zalloc(sizeof(*s));
    json_t *config = merged_config(r);
    size_t i;
    s->id = text_dup(trl_cstr(r->id));
    s->image = text_dup(trl_cstr(want_image(r->want)));
    s->entry = dup_or_null(j_str(set, "entry", NULL));
    s->user = dup_or_null(j_str(set, "user", NULL));
    s->group = dup_or_null(j_str(set, "group", NULL));
    s->directory = dup_or_null(j_str(set, "directory", NULL));
    s->lines = json_array();
    s->args = json_incref(json_object_get(set, "args"));
    s->config = json_dumps(config, JSON_INDENT(2) | JSON_SORT_KEYS);
    if (sockets(s, r, why, cap) < 0 || secrets(s, r, why, cap) < 0) {
        json_decref(config);
        spawn_free(s);
        return NULL;
    }
    environment(s, r, config);
    json_decref(config);
    limits(s, r);
    json_array_foreach(json_object_get(json_object_get(set, "health"), "exec"), i, check) {
        line(s, "check=%s", json_string_value(check));
    }
    line(s, "log_bytes=%lld", (long long)d->set.log_bytes);
    line(s, "log_files=%lld", (long long)d->set.log_files);
    line(s, "stop_ms=%lld", (long long)settings_stop_ms(d, set));
    line(s, "unclaimed_ms=%lld", (long long)d->set.unclaimed_ms);
    s->meta = meta(r);
    return s;
}
