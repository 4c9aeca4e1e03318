/* SPDX-License-Identifier: Apache-2.0 */
#include "state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/xmem.h"
#include "keeper/keeper.h"

static int make_path(const char *path) {
    char *p = text_dup(trl_cstr(path));
    int rc = 0;
    for (char *at = strchr(p + 1, '/'); rc == 0; at = strchr(at + 1, '/')) {
        if (at) {
            *at = '\0';
        }
        rc = mkdir(p, at ? 0755 : 0711) < 0 && errno != EEXIST ? -1 : 0;
        if (!at) {
            break;
        }
        *at = '/';
    }
    free(p);
    return rc;
}

static char *read_all(int dir, const char *name) {
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    char *text = NULL;
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size < (64 << 20)) {
        text = x_zalloc((size_t)st.st_size + 1);
        ssize_t n = read(fd, text, (size_t)st.st_size);
        text[n > 0 ? n : 0] = '\0';
    }
    if (fd >= 0) {
        close(fd);
    }
    return text;
}

/* The file's JSON; an empty one of that kind when there is none or it makes no sense. */
static json_t *read_json(struct found *f, const char *path, const char *name, json_type type) {
    char *text = read_all(f->state_fd, name);
    json_t *j = text ? json_loads(text, 0, NULL) : NULL;
    if (text && (!j || json_typeof(j) != type)) {
        snprintf(f->error, sizeof(f->error),
                 "%s/%s is damaged: remove it to begin without what it held", path, name);
    }
    free(text);
    if (j && json_typeof(j) == type) {
        return j;
    }
    json_decref(j);
    return type == JSON_ARRAY ? json_array() : json_object();
}

static void read_host_id(struct found *f, const uint64_t seed[4]) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    char id[58] = "N";
    char *text = read_all(f->state_fd, "host_id");
    if (text && strlen(text) == 57 && text[56] == '\n') {
        text[56] = '\0';
        f->host_id = text;
        return;
    }
    free(text);
    for (unsigned i = 0; i < 55; i++) {
        id[1 + i] =
            letters[(seed[i / 14] >> (i % 14 * 4) ^ seed[3 - i / 14] >> (i % 12 * 5)) & 31u];
    }
    f->host_id = text_dup(trl_cstr(id));
    id[56] = '\n';
    int fd = openat(f->state_fd, "host_id", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, id, 57) != 57) {
        snprintf(f->error, sizeof(f->error), "cannot write host_id: %s", strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
}

static DIR *open_dir(int at, const char *name) {
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (fd >= 0 && !d) {
        close(fd);
    }
    return d;
}

static int has(int state_fd, const char *id, const char *name) {
    char *path = text_format("runs/%s/%s", id, name);
    int rc = faccessat(state_fd, path, F_OK, 0) == 0;
    free(path);
    return rc;
}

int runs_live(int state_fd, const char *id) {
    return has(state_fd, id, "meta.json") &&
           !(has(state_fd, id, KEEPER_EXIT) && !has(state_fd, id, KEEPER_SOCK));
}

int runs_take(int state_fd, const char *id) {
    char *path = text_format("runs/%s", id);
    int fd = openat(state_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int taken = fd < 0 ? errno == ENOENT : flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (fd >= 0) {
        if (taken) {
            unlinkat(fd, KEEPER_SPEC, 0);
        }
        close(fd);
    }
    free(path);
    return taken;
}

static void add_secrets(const struct found *f, json_t *meta, const char *id) {
    char *path = text_format("runs/%s/secrets", id), *text = read_all(f->state_fd, path);
    if (text) {
        json_object_set_new(meta, "secrets", json_string(text));
    }
    free(text);
    free(path);
}

/* Owned. NULL: it never began, for Trellis was killed while it wrote this; nothing is left of it.
 */
static json_t *read_run(const struct found *f, const char *id) {
    char *path = text_format("runs/%s/meta.json", id), *text = read_all(f->state_fd, path);
    json_t *meta = text ? json_loads(text, 0, NULL) : NULL;
    free(text);
    free(path);
    if (json_is_object(meta)) {
        return meta;
    }
    json_decref(meta);
    if (!runs_take(f->state_fd, id)) {
        return json_object();
    }
    runs_remove(f->state_fd, id, 1);
    return NULL;
}

static void read_runs(struct found *f) {
    DIR *d = open_dir(f->state_fd, "runs");
    f->runs = json_array();
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.') {
            continue;
        }
        json_t *meta = read_run(f, e->d_name);
        if (meta) {
            json_object_set_new(meta, "id", json_string(e->d_name));
            json_object_set_new(meta, "ended", json_boolean(!runs_live(f->state_fd, e->d_name)));
            add_secrets(f, meta, e->d_name);
            json_array_append_new(f->runs, meta);
        }
    }
    if (d) {
        closedir(d);
    }
}

void state_open(const char *path, const uint64_t seed[4], struct found *f) {
    *f = (struct found){.state_fd = -1, .lock_fd = -1};
    if (make_path(path) < 0 || (f->state_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
        (mkdirat(f->state_fd, "runs", 0711) < 0 && errno != EEXIST) ||
        (f->lock_fd = openat(f->state_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0) {
        snprintf(f->error, sizeof(f->error), "cannot use the state directory %s: %s", path,
                 strerror(errno));
        return;
    }
    if (flock(f->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        snprintf(f->error, sizeof(f->error),
                 "the state directory %s is in use by another trellis; give each its own "
                 "(option state_dir)",
                 path);
        return;
    }
    f->configs = read_json(f, path, "configs.json", JSON_OBJECT);
    f->links = read_json(f, path, "links.json", JSON_ARRAY);
    f->labels = read_json(f, path, "labels.json", JSON_OBJECT);
    f->counts = read_json(f, path, "counts.json", JSON_OBJECT);
    read_host_id(f, seed);
    read_runs(f);
}

void found_finish(struct found *f) {
    free(f->host_id);
    json_decref(f->configs);
    json_decref(f->links);
    json_decref(f->labels);
    json_decref(f->counts);
    json_decref(f->runs);
    if (f->state_fd >= 0) {
        close(f->state_fd);
    }
    if (f->lock_fd >= 0) {
        close(f->lock_fd);
    }
}

static int kept(const char *name) {
    return strncmp(name, KEEPER_LOG, strlen(KEEPER_LOG)) == 0 || strcmp(name, KEEPER_EXIT) == 0 ||
           strcmp(name, "meta.json") == 0;
}

void runs_remove(int state_fd, const char *id, int all) {
    char *path = text_format("runs/%s", id);
    DIR *d = open_dir(state_fd, path);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] != '.' && (all || !kept(e->d_name))) {
            unlinkat(dirfd(d), e->d_name, 0);
        }
    }
    if (d) {
        closedir(d);
    }
    if (all) {
        unlinkat(state_fd, path, AT_REMOVEDIR);
    }
    free(path);
}

void runs_mark_ended(int state_fd, const char *id) {
    char *path = text_format("runs/%s/" KEEPER_EXIT, id);
    int fd = openat(state_fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
    }
    free(path);
}

static int newest_first(const void *a, const void *b) {
    return strcmp(*(char *const *)b, *(char *const *)a);
}

void runs_clean(int state_fd, const char *prefix, const char *gone, unsigned keep) {
    DIR *d = open_dir(state_fd, "runs");
    char **names = NULL;
    size_t n = 0, cap = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        if (strncmp(e->d_name, prefix, strlen(prefix)) == 0 &&
            has(state_fd, e->d_name, KEEPER_EXIT) &&
            ((gone && strcmp(e->d_name, gone) == 0) || runs_take(state_fd, e->d_name))) {
            names = x_grow(names, n, &cap, sizeof(*names));
            names[n++] = text_dup(trl_cstr(e->d_name));
        }
    }
    if (n) {
        qsort(names, n, sizeof(*names), newest_first);
    }
    for (size_t i = 0; i < n; i++) {
        runs_remove(state_fd, names[i], i >= keep);
        free(names[i]);
    }
    free(names);
    if (d) {
        closedir(d);
    }
}
