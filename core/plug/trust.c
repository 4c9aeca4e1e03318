/* SPDX-License-Identifier: Apache-2.0 */
#include "plug/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

/* Appends the parts of path to an absolute one. */
static void append(struct buf *b, str path) {
    while (path.ptr) {
        str rest, p = str_cut(path, '/', &rest);
        path = rest;
        if (str_is(p, "..")) {
            while (b->len && b->ptr[--b->len] != '/') {
            }
        } else if (p.len && !str_is(p, ".")) {
            buf_add_c(b, '/');
            buf_add_str(b, p);
        }
    }
}

char *trust_absolute(const char *path) {
    struct buf b = BUF_INIT;
    if (path[0] != '/') {
        char cwd[PATH_MAX];
        if (getcwd(cwd, sizeof(cwd))) {
            append(&b, str_c(cwd));
        }
    }
    append(&b, str_c(path));
    if (b.len == 0) {
        buf_add_c(&b, '/');
    }
    return buf_take(&b);
}

static int deny(struct err *err, str where, const char *why) {
    return err_set(err, TRL_E_DENIED, "%.*s %s", PSTR(where), why);
}

/* where: the path down to what st describes. above_own: the next part is checked to be ours, so a
 * sticky directory protects it. */
static int check_owner(const struct stat *st, str where, struct err *err) {
    if (st->st_uid != 0 && st->st_uid != geteuid()) {
        return err_set(
            err, TRL_E_DENIED,
            "%.*s belongs to user %u: plugins and the directories above them must belong "
            "to root or to the user of trellis (%u)",
            PSTR(where), (unsigned)st->st_uid, (unsigned)geteuid());
    }
    bool sticky = S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX) && st->st_uid == 0;
    if ((st->st_mode & (S_IWGRP | S_IWOTH)) && !sticky) {
        return err_set(err, TRL_E_DENIED,
                       "%.*s is writable by group or others: run 'chmod go-w %.*s'", PSTR(where),
                       PSTR(where));
    }
    return 0;
}

static int check_file(int fd, str where, struct err *err) {
    struct stat st;
    if (fstat(fd, &st) < 0) {
        return err_set(err, TRL_E_INTERNAL, "%.*s cannot be examined: %s", PSTR(where),
                       strerror(errno));
    }
    if (!S_ISREG(st.st_mode)) {
        return deny(err, where, "is no regular file");
    }
    if (st.st_mode & (S_ISUID | S_ISGID)) {
        return deny(err, where, "is set-user-id or set-group-id, which a plugin must not be");
    }
    return check_owner(&st, where, err);
}

static int check_dir(int fd, str where, struct err *err) {
    struct stat st;
    if (fstat(fd, &st) < 0) {
        return err_set(err, TRL_E_INTERNAL, "%.*s cannot be examined: %s", PSTR(where),
                       strerror(errno));
    }
    return check_owner(&st, where, err);
}

static int open_failed(int dir, const char *name, str where, struct err *err) {
    struct stat st;
    int e = errno;
    if (e == ENOENT) {
        return err_set(err, TRL_E_NOTFOUND, "%.*s does not exist", PSTR(where));
    }
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode)) {
        return deny(err, where, "is a symbolic link: name the real path");
    }
    if (e == ENOTDIR) {
        return deny(err, where, "is no directory");
    }
    return err_set(err, TRL_E_DENIED, "%.*s cannot be opened: %s", PSTR(where), strerror(e));
}

int trust_open(const char *path, int *ret_fd, struct err *err) {
    int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? err_set(err, TRL_E_INTERNAL, "/ cannot be opened: %s", strerror(errno))
                    : check_dir(fd, STR("/"), err);
    str rest = str_skip(str_c(path), 1);
    while (rc == 0) {
        char name[NAME_MAX + 1];
        str after, p = str_cut(rest, '/', &after);
        str where = str_n(path, (size_t)(p.ptr + p.len - path));
        bool last = after.ptr == NULL;
        if (p.len == 0 || p.len > NAME_MAX) {
            rc = err_set(err, TRL_E_INVALID, "'%s' is no usable path of a file", path);
            break;
        }
        memcpy(name, p.ptr, p.len);
        name[p.len] = '\0';
        int next = openat(fd, name,
                          O_CLOEXEC | O_NOFOLLOW |
                              (last ? O_RDONLY | O_NONBLOCK | O_NOCTTY : O_PATH | O_DIRECTORY));
        if (next < 0) {
            rc = open_failed(fd, name, where, err);
            break;
        }
        close(fd);
        fd = next;
        rc = last ? check_file(fd, where, err) : check_dir(fd, where, err);
        if (last) {
            break;
        }
        rest = after;
    }
    if (rc == 0) {
        *ret_fd = fd;
    } else if (fd >= 0) {
        close(fd);
    }
    return rc;
}
