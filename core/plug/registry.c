/* SPDX-License-Identifier: Apache-2.0 */
#include "plug/registry.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "plug/negotiate.h"
#include "plug/trust.h"

#ifndef TRELLIS_BUILTIN_PLUGIN_DIR
#define TRELLIS_BUILTIN_PLUGIN_DIR "/usr/local/lib/trellis/plugins:/usr/lib/trellis/plugins"
#endif
#define NAME_MAX_BYTES 64u

/* Components that live in a library named after a sibling. */
static const struct {
    const char *kind, *name, *file;
} aliases[] = {
    {TRL_KIND_STORE, "nats-kv", "nats.so"},
};

static void add_dir(struct registry *r, const char *path) {
    char *dir = trust_absolute(path);
    for (uint32_t i = 0; i < r->dirs.n; i++) {
        if (strcmp(r->dirs.at[i], dir) == 0) {
            mem_free(dir);
            return;
        }
    }
    *VEC_ADD(&r->dirs) = dir;
}

static void add_list(struct registry *r, const char *list) {
    str rest = str_c(list);
    while (rest.ptr) {
        str one = str_cut(rest, ':', &rest);
        if (one.len) {
            char *path = str_dup(one);
            add_dir(r, path);
            mem_free(path);
        }
    }
}

/* Beside the program, so that a build tree and a relocated installation work as they are. */
static void add_beside_program(struct registry *r) {
    char exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    if (n <= 0) {
        return;
    }
    exe[n] = '\0';
    char *slash = strrchr(exe, '/');
    if (!slash) {
        return;
    }
    *slash = '\0';
    static const char *const where[] = {"/../plugins", "/../lib/trellis/plugins"};
    for (size_t i = 0; i < ARRAY_LEN(where); i++) {
        struct buf b = BUF_INIT;
        buf_addf(&b, "%s%s", exe, where[i]);
        add_dir(r, b.ptr);
        buf_finish(&b);
    }
}

void registry_init(struct registry *r, const struct log *log, const char *const *dirs,
                   uint32_t n_dirs) {
    memset(r, 0, sizeof(*r));
    r->log = log;
    for (uint32_t i = 0; i < n_dirs; i++) {
        add_dir(r, dirs[i]);
    }
    const char *env = secure_getenv("TRELLIS_PLUGIN_PATH");
    if (env) {
        add_list(r, env);
    }
    add_list(r, TRELLIS_BUILTIN_PLUGIN_DIR);
    add_beside_program(r);
}

void registry_finish(struct registry *r) {
    for (uint32_t i = 0; i < r->libs.n; i++) {
        load_finish(r->libs.at[i]);
    }
    for (uint32_t i = 0; i < r->dirs.n; i++) {
        mem_free(r->dirs.at[i]);
    }
    VEC_FREE(&r->libs);
    VEC_FREE(&r->dirs);
    allow_finish(&r->allow);
}

static struct library *find_loaded(const struct registry *r, const char *path) {
    for (uint32_t i = 0; i < r->libs.n; i++) {
        if (strcmp(r->libs.at[i]->path, path) == 0) {
            return r->libs.at[i];
        }
    }
    return NULL;
}

static int load_once(struct registry *r, const char *path, struct library **ret, struct err *err) {
    struct library *l = find_loaded(r, path);
    if (!l) {
        int rc = load_library(path, &r->allow, r->log, &l, err);
        if (rc < 0) {
            return rc;
        }
        *VEC_ADD(&r->libs) = l;
        log_info(r->log, "plugin %s %s loaded from %s%s%s", l->plugin.id, l->plugin.version, path,
                 l->sealed[0] ? ", as a sealed copy: " : "", l->sealed);
    }
    *ret = l;
    return 0;
}

static int check_name(const char *name, struct err *err) {
    size_t n = strlen(name);
    if (n == 0 || n > NAME_MAX_BYTES ||
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != n) {
        return err_set(err, TRL_E_INVALID,
                       "'%s' is no plugin name: it is 1 to %u letters a-z, digits and '-' (never a "
                       "path; see plugin_dirs)",
                       name, NAME_MAX_BYTES);
    }
    return 0;
}

/* The file names that may hold it. */
static uint32_t file_names(const struct kind_info *k, const char *name, char *ret[3]) {
    uint32_t n = 0;
    struct buf b = BUF_INIT;
    buf_addf(&b, "%s.so", name);
    ret[n++] = buf_take(&b);
    buf_addf(&b, "%s-%s.so", k->word, name);
    ret[n++] = buf_take(&b);
    for (size_t i = 0; i < ARRAY_LEN(aliases); i++) {
        if (strcmp(aliases[i].kind, k->iface) == 0 && strcmp(aliases[i].name, name) == 0) {
            ret[n++] = mem_strdup(aliases[i].file);
        }
    }
    return n;
}

/* 1: here it is. 0: not here. A file that exists but cannot be used is an error: nobody wants a
 * different library silently taken from a later directory. */
static int try_file(struct registry *r, const char *dir, const char *file, const char *kind,
                    const char *name, const struct library **ret_lib, const trl_component **ret,
                    struct err *err) {
    struct buf path = BUF_INIT;
    struct library *l = NULL;
    buf_addf(&path, "%s/%s", dir, file);
    int rc = 0;
    if (find_loaded(r, path.ptr) || access(path.ptr, F_OK) == 0) {
        rc = load_once(r, path.ptr, &l, err);
    }
    if (rc == 0 && l) {
        const trl_component *c = load_component(l, kind, name);
        if (c) {
            *ret_lib = l;
            *ret = c;
            rc = 1;
        }
    }
    buf_finish(&path);
    return rc;
}

int registry_find(struct registry *r, const char *kind, const char *name,
                  const struct library **ret_lib, const trl_component **ret, struct err *err) {
    const struct kind_info *k = kind_need(kind, err);
    if (!k) {
        return TRL_E_UNSUPP;
    }
    int rc = check_name(name, err);
    if (rc < 0) {
        return rc;
    }
    char *files[3];
    uint32_t n = file_names(k, name, files);
    rc = 0;
    for (uint32_t d = 0; d < r->dirs.n && rc == 0; d++) {
        for (uint32_t f = 0; f < n && rc == 0; f++) {
            rc = try_file(r, r->dirs.at[d], files[f], kind, name, ret_lib, ret, err);
        }
    }
    if (rc == 0) {
        struct buf b = BUF_INIT;
        for (uint32_t d = 0; d < r->dirs.n; d++) {
            buf_addf(&b, "%s%s", d ? ", " : "", r->dirs.at[d]);
        }
        rc = err_set(err, TRL_E_NOTFOUND,
                     "no plugin provides %s '%s': looked for %s and %s%s%s in %s", kind, name,
                     files[0], files[1], n > 2 ? " and " : "", n > 2 ? files[2] : "", b.ptr);
        buf_finish(&b);
    }
    for (uint32_t f = 0; f < n; f++) {
        mem_free(files[f]);
    }
    return rc < 0 ? rc : 0;
}

static int is_library(const struct dirent *d) {
    return str_ends(str_c(d->d_name), STR(".so")) && d->d_name[0] != '.';
}

void registry_list(struct registry *r,
                   void (*fn)(void *arg, const struct plug_file_info *i, const char *err_text),
                   void *arg) {
    for (uint32_t d = 0; d < r->dirs.n; d++) {
        struct dirent **names;
        int n = scandir(r->dirs.at[d], &names, is_library, alphasort);
        for (int i = 0; i < n; i++) {
            struct plug_file_info info = {0};
            struct err err = ERR_INIT;
            struct buf path = BUF_INIT;
            buf_addf(&path, "%s/%s", r->dirs.at[d], names[i]->d_name);
            int rc = plug_inspect_file(path.ptr, &info, &err);
            if (rc < 0) {
                info.path = mem_strdup(path.ptr);
            }
            const struct library *l = find_loaded(r, path.ptr);
            info.plugin = l ? &l->plugin : NULL;
            fn(arg, &info, rc < 0 ? err.msg : NULL);
            plug_file_info_finish(&info);
            buf_finish(&path);
            free(names[i]);
        }
        if (n >= 0) {
            free(names);
        }
    }
}
