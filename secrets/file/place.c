/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "../../plugins/common/jpull.h"
#include "../../plugins/common/xmem.h"
#include "../common/sjson.h"
#include "file.h"

#define NAMES_MAX 100000u
#define DEPTH_MAX 16

void task_finish(const struct place *p, struct task *t) {
    safe_free(&p->safe, &t->put);
    safe_free(&p->safe, &t->value);
    free(t->key);
    free(t->field);
    free(t->version);
    for (size_t i = 0; i < t->n_names; i++) {
        free(t->names[i]);
    }
    free(t->names);
    memset(t, 0, sizeof(*t));
}

static void digest(const struct place *p, struct task *t, trl_bytes value) {
    version_digest(p->keys + 32, (trl_str){t->key, t->key_len}, trl_cstr(t->field), value, t->told);
}

/* The member of the JSON object `all` that the field names, its text in guarded memory. */
static trl_status pick_field(const struct place *p, struct task *t, trl_bytes all) {
    trl_str raw = {NULL, 0};
    enum sjson got = sjson_member((trl_str){all.ptr, all.len}, trl_cstr(t->field), &raw);
    if (got == SJSON_BAD) {
        return trl_errf(&t->err, TRL_E_INVALID,
                        "%.120s: a field is asked for, but it is not one JSON object", t->key);
    }
    if (got == SJSON_ABSENT || jpull_is(raw, "null")) {
        return trl_errf(&t->err, TRL_E_NOTFOUND, "%.120s: there is no field '%.60s'", t->key,
                        t->field);
    }
    if (!sjson_is_string(raw)) { /* numbers, true, objects: as they are written */
        t->value_at = (trl_bytes){raw.ptr, raw.len};
        return TRL_OK;
    }
    struct safe_bytes text = {p->safe.mem->alloc(p->safe.ctx, raw.len), 0};
    if (!text.ptr) {
        return trl_errf(&t->err, TRL_E_BUSY,
                        "no memory can be locked: raise the limit (ulimit -l)");
    }
    if (!jpull_decode(raw, (char *)text.ptr, &text.len)) {
        safe_free(&p->safe, &text);
        return trl_errf(&t->err, TRL_E_INVALID, "%.120s: field '%.60s' is not Unicode text", t->key,
                        t->field);
    }
    safe_free(&p->safe, &t->value);
    t->value = text;
    t->value_at = (trl_bytes){text.ptr, text.len};
    return TRL_OK;
}

static void pick(const struct place *p, struct task *t, trl_bytes all) {
    t->value_at = all;
    if (t->field[0]) {
        t->st = pick_field(p, t, all);
    } else if (p->trim && all.len && ((const char *)all.ptr)[all.len - 1] == '\n') {
        t->value_at.len--;
    }
    if (t->st == TRL_OK && t->value_at.len > TRL_SECRET_MAX_BYTES) {
        t->st = trl_errf(&t->err, TRL_E_INVALID, "%.120s: larger than 1 MiB", t->key);
    }
    if (t->st != TRL_OK) {
        return;
    }
    digest(p, t, t->value_at);
    if (t->version[0] && strcmp(t->version, t->told) != 0) {
        t->st = trl_errf(&t->err, TRL_E_NOTFOUND,
                         "%.120s: version '%.40s' is not the present one, and no others are kept",
                         t->key, t->version);
    }
}

/* Unchanged since the last look, and so long ago that a change in the same tick is out of the
 * question. */
static int unchanged(const struct task *t, const struct stat *m) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return t->has_known && m->st_ino == t->known.st_ino && m->st_dev == t->known.st_dev &&
           m->st_size == t->known.st_size && m->st_mtim.tv_sec == t->known.st_mtim.tv_sec &&
           m->st_mtim.tv_nsec == t->known.st_mtim.tv_nsec &&
           m->st_ctim.tv_sec == t->known.st_ctim.tv_sec &&
           m->st_ctim.tv_nsec == t->known.st_ctim.tv_nsec && now.tv_sec - m->st_ctim.tv_sec > 2;
}

static void *common_alloc(void *ctx, size_t n) {
    (void)ctx;
    return x_alloc(n);
}

static void common_free(void *ctx, void *p) {
    (void)ctx;
    free(p);
}

/* The sealed file's records; one that is not there yet has none. Locked memory is scarce: what is
 * sealed does not need it. */
static trl_status open_sealed(struct place *p, int dir, struct safe_bytes *ret, trl_err *err) {
    static const trl_host_secret_v1 common = {sizeof(common), 0, NULL, common_alloc, common_free};
    struct safe plain = p->safe;
    struct safe_bytes file = {NULL, 0};
    struct stat meta;
    trl_status st;
    ret->ptr = NULL;
    ret->len = 0;
    if (fstatat(dir, p->sealed, &meta, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT) {
        return TRL_OK;
    }
    plain.mem = &common;
    st = safe_load(&plain, dir, p->sealed, SEALED_FILE_MAX, &file, &meta, err);
    if (st == TRL_OK) {
        st = sealed_open(&p->safe, &file, p->keys, p->sealed, ret, err);
        safe_free(&plain, &file);
    }
    if (st == TRL_E_NOTFOUND || st == TRL_E_INVALID) { /* the place, not the reference */
        st = err->code = TRL_E_UNAVAIL;
    }
    return st;
}

trl_status place_probe(struct place *p, int dir, trl_err *err) {
    struct safe_bytes plain;
    trl_status st = open_sealed(p, dir, &plain, err);
    safe_free(&p->safe, &plain);
    return st;
}

static void read_sealed(struct place *p, struct task *t, int dir) {
    trl_bytes all;
    struct stat meta;
    if (fstatat(dir, p->sealed, &meta, 0) != 0) {
        memset(&meta, 0, sizeof(meta));
    }
    t->same = unchanged(t, &meta);
    t->known = meta;
    if (t->same) {
        return;
    }
    t->st = open_sealed(p, dir, &t->value, &t->err);
    t->has_known = t->st == TRL_OK;
    if (t->st != TRL_OK) {
        return;
    }
    if (!t->value.ptr || !sealed_find(&t->value, (trl_str){t->key, t->key_len}, &all)) {
        t->st =
            trl_errf(&t->err, TRL_E_NOTFOUND, "%.120s: the sealed file has no such key", t->key);
        return;
    }
    pick(p, t, all);
}

static void read_file(struct place *p, struct task *t, int dir) {
    struct stat meta;
    int fd = safe_open(&p->safe, dir, t->key, &meta, &t->st, &t->err);
    if (fd < 0) {
        t->has_known = 0;
        return;
    }
    t->same = unchanged(t, &meta);
    t->known = meta;
    t->has_known = 1;
    if (!t->same) {
        t->st =
            safe_read(&p->safe, fd, &meta, TRL_SECRET_MAX_BYTES + 1u, t->key, &t->value, &t->err);
        if (t->st == TRL_OK) {
            pick(p, t, (trl_bytes){t->value.ptr, t->value.len});
        }
        t->has_known = t->st == TRL_OK;
    }
    close(fd);
}

/* Of all that was read; a value within much else is copied out. */
static void keep_value_only(struct place *p, struct task *t) {
    struct safe_bytes own = {NULL, 0};
    if (t->st == TRL_OK && t->want_value && !t->same) {
        if (t->value.len <= t->value_at.len + 4096) {
            return;
        }
        own.len = t->value_at.len;
        own.ptr = p->safe.mem->alloc(p->safe.ctx, own.len);
        if (!own.ptr) {
            t->st = trl_errf(&t->err, TRL_E_BUSY,
                             "no memory can be locked: raise the limit (ulimit -l)");
        } else if (own.len) {
            memcpy(own.ptr, t->value_at.ptr, own.len);
        }
        t->value_at.ptr = own.ptr;
    }
    safe_free(&p->safe, &t->value);
    t->value = own;
}

void place_read(struct place *p, struct task *t) {
    int dir;
    t->st = safe_key_check((trl_str){t->key, t->key_len}, &t->err);
    if (t->st != TRL_OK) {
        return;
    }
    dir = safe_open_dir(p->dir, &t->st, &t->err);
    if (dir < 0) { /* the place is gone, not one secret */
        t->st = t->st == TRL_E_NOTFOUND ? TRL_E_UNAVAIL : t->st;
        return;
    }
    if (p->sealed) { /* one after another: the records are in locked memory only once */
        pthread_mutex_lock(&p->write);
        read_sealed(p, t, dir);
        keep_value_only(p, t);
        pthread_mutex_unlock(&p->write);
    } else {
        read_file(p, t, dir);
        keep_value_only(p, t);
    }
    close(dir);
}

/* What the file shall have when one field of it is set: the object with the member replaced. */
static trl_status with_field(const struct place *p, struct task *t, trl_str old,
                             struct safe_bytes *ret) {
    trl_str raw = {NULL, 0};
    size_t n_name = 0, n = 0, close_at = 0, cap;
    int empty = 1;
    enum sjson got = SJSON_ABSENT;
    uint8_t *out;
    if (old.len) {
        got = sjson_find(old, trl_cstr(t->field), &raw, &close_at, &empty);
    } else {
        old = trl_cstr("{}");
        close_at = 1;
    }
    if (got == SJSON_BAD) {
        return trl_errf(&t->err, TRL_E_INVALID,
                        "%.120s: a field cannot be set in what is not one JSON object", t->key);
    }
    cap = old.len + 6 * (t->put.len + strlen(t->field)) + 8;
    out = ret->ptr = p->safe.mem->alloc(p->safe.ctx, cap);
    if (!out) {
        return trl_errf(&t->err, TRL_E_BUSY,
                        "no memory can be locked: raise the limit (ulimit -l)");
    }
    size_t keep = got == SJSON_OK ? (size_t)(raw.ptr - old.ptr) : close_at;
    memcpy(out, old.ptr, keep);
    out += keep;
    if (got == SJSON_ABSENT) {
        if (!empty) {
            *out++ = ',';
        }
        if (!sjson_encode(t->field, strlen(t->field), (char *)out, &n_name)) {
            safe_free(&p->safe, ret);
            return trl_errf(&t->err, TRL_E_INVALID, "the field's name is not Unicode text");
        }
        out += n_name;
        *out++ = ':';
    }
    if (!sjson_encode((const char *)t->put.ptr, t->put.len, (char *)out, &n)) {
        safe_free(&p->safe, ret);
        return trl_errf(&t->err, TRL_E_INVALID,
                        "%.120s: a field holds text; this value is not UTF-8", t->key);
    }
    out += n;
    keep += raw.len;
    memcpy(out, old.ptr + keep, old.len - keep);
    ret->len = (size_t)(out - ret->ptr) + old.len - keep;
    return ret->len <= TRL_SECRET_MAX_BYTES
               ? TRL_OK
               : trl_errf(&t->err, TRL_E_INVALID, "%.120s: it would be larger than 1 MiB", t->key);
}

static trl_status write_sealed(struct place *p, struct task *t, int dir) {
    struct safe_bytes plain, next = {NULL, 0}, made = {NULL, 0};
    trl_bytes old = {NULL, 0};
    uint8_t *out;
    trl_status st = open_sealed(p, dir, &plain, &t->err);
    if (st != TRL_OK) {
        return st;
    }
    if (t->field[0]) {
        sealed_find(&plain, (trl_str){t->key, t->key_len}, &old);
        st = with_field(p, t, (trl_str){old.ptr, old.len}, &made);
    }
    if (st == TRL_OK) {
        const struct safe_bytes *value = t->field[0] ? &made : &t->put;
        st = sealed_put(&p->safe, &plain, (trl_str){t->key, t->key_len},
                        (trl_bytes){value->ptr, value->len}, &next, &t->err);
    }
    if (st == TRL_OK) {
        out = x_alloc(next.len + SEALED_OVERHEAD);
        sealed_seal(&next, p->keys, out);
        st = safe_replace(dir, p->sealed, out, next.len + SEALED_OVERHEAD, &t->err);
        free(out);
    }
    safe_free(&p->safe, &made);
    safe_free(&p->safe, &next);
    safe_free(&p->safe, &plain);
    return st;
}

static trl_status write_file(struct place *p, struct task *t, int dir) {
    struct safe_bytes old = {NULL, 0}, made = {NULL, 0};
    struct stat meta;
    trl_status st = TRL_OK;
    if (!t->field[0]) {
        return safe_replace(dir, t->key, t->put.ptr, t->put.len, &t->err);
    }
    st = safe_load(&p->safe, dir, t->key, TRL_SECRET_MAX_BYTES, &old, &meta, &t->err);
    if (st == TRL_OK || st == TRL_E_NOTFOUND) {
        st = with_field(p, t, (trl_str){(const char *)old.ptr, old.len}, &made);
    }
    if (st == TRL_OK) {
        st = safe_replace(dir, t->key, made.ptr, made.len, &t->err);
    }
    safe_free(&p->safe, &made);
    safe_free(&p->safe, &old);
    return st;
}

void place_write(struct place *p, struct task *t) {
    int dir;
    t->st = safe_key_check((trl_str){t->key, t->key_len}, &t->err);
    if (t->st != TRL_OK) {
        return;
    }
    dir = safe_open_dir(p->dir, &t->st, &t->err);
    if (dir < 0) {
        t->st = t->st == TRL_E_NOTFOUND ? TRL_E_UNAVAIL : t->st;
        return;
    }
    pthread_mutex_lock(&p->write);
    if (flock(dir, LOCK_EX) != 0) {
        t->st = safe_errno(errno, p->dir, &t->err);
    } else {
        t->st = p->sealed ? write_sealed(p, t, dir) : write_file(p, t, dir);
    }
    pthread_mutex_unlock(&p->write);
    close(dir); /* ends the lock */
    if (t->st == TRL_OK) {
        size_t n = t->put.len;
        /* what a fetch will give: without the newline that trim takes off */
        if (p->trim && !t->field[0] && n && t->put.ptr[n - 1] == '\n') {
            n--;
        }
        digest(p, t, (trl_bytes){t->put.ptr, n});
    }
}

static void add_name(struct task *t, const char *name) {
    if (strncmp(name, t->key, t->key_len) == 0) {
        t->names = x_grow(t->names, t->n_names, &t->cap_names, sizeof(*t->names));
        t->names[t->n_names++] = x_checked(strdup(name));
    }
}

/* Names beneath dir (taken) that may be keys. Files that may not be read are listed as well: a
 * fetch tells what is wrong with them. */
static void walk_names(struct place *p, struct task *t, int root, int dir, const char *path,
                       int depth) {
    DIR *d = fdopendir(dir);
    struct dirent *e;
    if (!d) {
        close(dir);
        return;
    }
    while ((e = readdir(d)) && t->n_names < NAMES_MAX) {
        char name[1100];
        struct stat m;
        size_t n = strlen(path);
        if (e->d_name[0] == '.' || n + strlen(e->d_name) + 2 > sizeof(name) ||
            fstatat(dir, e->d_name, &m, AT_SYMLINK_NOFOLLOW) != 0) {
            continue;
        }
        snprintf(name, sizeof(name), "%s%s%s", path, n ? "/" : "", e->d_name);
        if (safe_key_check(trl_cstr(name), NULL) != TRL_OK) {
            continue;
        }
        if (S_ISDIR(m.st_mode) && depth < DEPTH_MAX) {
            int next = openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (next >= 0) {
                walk_names(p, t, root, next, name, depth + 1);
            }
        } else if (S_ISREG(m.st_mode)) {
            add_name(t, name);
        } else if (S_ISLNK(
                       m.st_mode)) { /* one that leads to a file within, as in mounted volumes */
            trl_status st = TRL_OK;
            int fd = safe_open(&p->safe, root, name, &m, &st, NULL);
            if (fd >= 0) {
                close(fd);
                add_name(t, name);
            }
        }
    }
    closedir(d);
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void place_list(struct place *p, struct task *t) {
    int dir = safe_open_dir(p->dir, &t->st, &t->err), again;
    if (dir < 0) {
        t->st = t->st == TRL_E_NOTFOUND ? TRL_E_UNAVAIL : t->st;
        return;
    }
    if (p->sealed) {
        struct safe_bytes plain;
        trl_str key;
        trl_bytes value;
        size_t at = 0;
        pthread_mutex_lock(&p->write);
        t->st = open_sealed(p, dir, &plain, &t->err);
        while (t->st == TRL_OK && plain.ptr && sealed_next(&plain, &at, &key, &value)) {
            char name[1100];
            snprintf(name, sizeof(name), "%.*s", (int)key.len, key.ptr);
            add_name(t, name);
        }
        safe_free(&p->safe, &plain);
        pthread_mutex_unlock(&p->write);
    } else if ((again = fcntl(dir, F_DUPFD_CLOEXEC, 0)) >= 0) {
        walk_names(p, t, dir, again, "", 0);
    }
    close(dir);
    if (t->n_names) {
        qsort(t->names, t->n_names, sizeof(*t->names), by_bytes);
    }
}
