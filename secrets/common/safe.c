/* SPDX-License-Identifier: Apache-2.0 */
#include "safe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEY_MAX  1024u
#define PART_MAX 255u

void safe_free(const struct safe *s, struct safe_bytes *b) {
    s->mem->free(s->ctx, b->ptr);
    b->ptr = NULL;
    b->len = 0;
}

trl_status safe_errno(int code, const char *name, trl_err *err) {
    switch (code) {
    case ENOENT:
    case ENOTDIR:
        return trl_errf(err, TRL_E_NOTFOUND, "%.120s: there is no such file", name);
    case EXDEV:
    case ELOOP:
        return trl_errf(err, TRL_E_DENIED, "%.120s: a symbolic link leads out of the directory",
                        name);
    case EACCES:
    case EPERM:
        return trl_errf(err, TRL_E_DENIED, "%.120s: this process may not read or write it", name);
    case ENAMETOOLONG:
        return trl_errf(err, TRL_E_INVALID, "%.120s: the name is too long", name);
    case EROFS:
        return trl_errf(err, TRL_E_DENIED, "%.120s: the file system is read-only", name);
    default:
        return trl_errf(err, TRL_E_UNAVAIL, "%.120s: %s", name, strerrordesc_np(code));
    }
}

trl_status safe_key_check(trl_str key, trl_err *err) {
    size_t part = 0;
    if (key.len == 0 || key.len > KEY_MAX) {
        return trl_errf(err, TRL_E_INVALID, "a key has 1 to %u characters, this one %zu", KEY_MAX,
                        key.len);
    }
    for (size_t i = 0; i <= key.len; i++) {
        char c = i < key.len ? key.ptr[i] : '/';
        if (c < 0x20 || c > 0x7e) {
            return trl_errf(err, TRL_E_INVALID,
                            "a key is a path of printable ASCII characters; number %zu is not one",
                            i + 1);
        }
        if (c == '.' && part == 0) {
            return trl_errf(err, TRL_E_INVALID, "%.*s: no part of a key begins with '.'",
                            (int)(key.len < 120 ? key.len : 120), key.ptr);
        }
        part = c == '/' ? 0 : part + 1;
        if ((c == '/' && (i == 0 || key.ptr[i - 1] == '/')) || part > PART_MAX) {
            return trl_errf(err, TRL_E_INVALID,
                            "%.*s: every part between '/' has 1 to %u characters",
                            (int)(key.len < 120 ? key.len : 120), key.ptr, PART_MAX);
        }
    }
    return TRL_OK;
}

int safe_open_dir(const char *path, trl_status *st, trl_err *err) {
    struct stat meta;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &meta) != 0) {
        *st = safe_errno(errno, path, err);
    } else if (meta.st_uid != geteuid() && meta.st_uid != 0) {
        *st = trl_errf(err, TRL_E_DENIED,
                       "%.120s: the directory belongs to user %u, not to user %u or root", path,
                       (unsigned)meta.st_uid, (unsigned)geteuid());
    } else if (meta.st_mode & 022) {
        *st = trl_errf(err, TRL_E_DENIED,
                       "%.120s: others may write to the directory (mode %03o): chmod go-w it", path,
                       (unsigned)meta.st_mode & 0777);
    } else {
        *st = TRL_OK;
        return fd;
    }
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}

/* Name by name, for kernels and sandboxes without openat2: then no link is followed at all. */
static int walk(int dir, const char *path) {
    char name[PART_MAX + 1];
    int at = dup(dir), next;
    while (at >= 0) {
        const char *slash = strchr(path, '/');
        size_t n = slash ? (size_t)(slash - path) : strlen(path);
        if (n > PART_MAX) {
            close(at);
            errno = ENAMETOOLONG;
            return -1;
        }
        memcpy(name, path, n);
        name[n] = '\0';
        next = openat(at, name,
                      O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | (slash ? O_DIRECTORY : 0));
        int code = errno;
        close(at);
        errno = code;
        if (!slash) {
            return next;
        }
        path = slash + 1;
        at = next;
    }
    return at;
}

static int open_beneath(struct safe *s, int dir, const char *path) {
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    if (dir == AT_FDCWD) {
        return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    }
    for (int tries = 0; !__atomic_load_n(&s->no_openat2, __ATOMIC_RELAXED) && tries < 16; tries++) {
        long fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
        if (fd >= 0) {
            return (int)fd;
        }
        if (errno == ENOSYS) {
            __atomic_store_n(&s->no_openat2, 1, __ATOMIC_RELAXED);
        } else if (errno != EAGAIN) { /* EAGAIN: something was renamed under way */
            return -1;
        }
    }
    return walk(dir, path);
}

static trl_status check_file(const struct safe *s, const char *path, const struct stat *m,
                             trl_err *err) {
    unsigned mode = (unsigned)m->st_mode & 0777;
    if (!S_ISREG(m->st_mode)) {
        return trl_errf(err, TRL_E_NOTFOUND, "%.120s: it is not a regular file", path);
    }
    if (m->st_uid != geteuid() && m->st_uid != 0) {
        return trl_errf(err, TRL_E_DENIED, "%.120s: belongs to user %u, not to user %u or root",
                        path, (unsigned)m->st_uid, (unsigned)geteuid());
    }
    if (mode & (s->group_read ? 037u : 077u)) {
        return trl_errf(err, TRL_E_DENIED, "%.120s: others may use it (mode %03o): chmod %s it",
                        path, mode, s->group_read ? "g-wx,o=" : "go=");
    }
    return TRL_OK;
}

int safe_open(struct safe *s, int dir, const char *path, struct stat *meta, trl_status *st,
              trl_err *err) {
    int fd = open_beneath(s, dir, path);
    if (fd < 0 || fstat(fd, meta) != 0) {
        *st = safe_errno(errno, path, err);
    } else {
        *st = check_file(s, path, meta, err);
    }
    if (*st != TRL_OK && fd >= 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

trl_status safe_read(const struct safe *s, int fd, const struct stat *meta, size_t max,
                     const char *name, struct safe_bytes *ret, trl_err *err) {
    size_t cap = meta->st_size < 0 ? 0 : (size_t)meta->st_size;
    ret->ptr = NULL;
    ret->len = 0;
    if (cap > max) {
        return trl_errf(err, TRL_E_INVALID, "%.120s: %zu bytes, more than the %zu that are allowed",
                        name, cap, max);
    }
    ret->ptr = s->mem->alloc(s->ctx, cap + 1);
    if (!ret->ptr) {
        return trl_errf(err, TRL_E_BUSY,
                        "%.120s: no memory can be locked for it: raise the limit (ulimit -l, "
                        "LimitMEMLOCK=)",
                        name);
    }
    for (;;) {
        ssize_t n = read(fd, ret->ptr + ret->len, cap + 1 - ret->len);
        if (n > 0) {
            ret->len += (size_t)n;
        }
        if (n < 0 && errno != EINTR) {
            int code = errno;
            safe_free(s, ret);
            return safe_errno(code, name, err);
        }
        if (n == 0 || ret->len > cap) {
            break;
        }
    }
    if (ret->len != cap) {
        safe_free(s, ret);
        return trl_errf(err, TRL_E_UNAVAIL,
                        "%.120s: it changes while it is read; write another file and rename it",
                        name);
    }
    return TRL_OK;
}

trl_status safe_load(struct safe *s, int dir, const char *path, size_t max, struct safe_bytes *ret,
                     struct stat *ret_meta, trl_err *err) {
    trl_status st = TRL_OK;
    int fd = safe_open(s, dir, path, ret_meta, &st, err);
    ret->ptr = NULL;
    ret->len = 0;
    if (fd >= 0) {
        st = safe_read(s, fd, ret_meta, max, path, ret, err);
        close(fd);
    }
    return st;
}

/* The directory that is to hold the last name of path; *ret_name is that name. */
static int parent_of(int dir, const char *path, const char **ret_name) {
    char name[PART_MAX + 1];
    int at = dup(dir), next;
    const char *slash;
    while (at >= 0 && (slash = strchr(path, '/'))) {
        size_t n = (size_t)(slash - path);
        if (n > PART_MAX) {
            close(at);
            errno = ENAMETOOLONG;
            return -1;
        }
        memcpy(name, path, n);
        name[n] = '\0';
        path = slash + 1;
        if (mkdirat(at, name, 0700) == 0) {
            fsync(at);
        }
        next = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int code = errno;
        close(at);
        errno = code;
        at = next;
    }
    *ret_name = path;
    return at;
}

static int write_all(int fd, const uint8_t *p, size_t n) {
    while (n) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return -1;
        }
        p += done;
        n -= (size_t)done;
    }
    return fsync(fd);
}

trl_status safe_replace(int dir, const char *path, const void *p, size_t n, trl_err *err) {
    const char *name = path;
    char temp[64];
    uint64_t number;
    int at = parent_of(dir, path, &name), fd, code = 0;
    if (at < 0) {
        return safe_errno(errno, path, err);
    }
    randombytes_buf(&number, sizeof(number));
    snprintf(temp, sizeof(temp), ".trellis-new-%016llx", (unsigned long long)number);
    fd = openat(at, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        code = errno;
    } else {
        code = write_all(fd, p, n) != 0 ? errno : 0;
        code = close(fd) != 0 && !code ? errno : code;
        if (!code && renameat(at, temp, at, name) != 0) {
            code = errno;
        }
        if (!code && fsync(at) != 0) {
            code = errno;
        } else if (code) {
            unlinkat(at, temp, 0);
        }
    }
    close(at);
    return code == EISDIR ? trl_errf(err, TRL_E_INVALID, "%.120s: there is a directory", path)
           : code         ? safe_errno(code, path, err)
                          : TRL_OK;
}
