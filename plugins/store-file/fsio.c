/* SPDX-License-Identifier: Apache-2.0 */
#include "fsio.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/xmem.h"

static int real_open(void *ctx, const char *path, int flags) {
    int fd = open(path, flags | O_CLOEXEC, 0600);
    (void)ctx;
    return fd < 0 ? -errno : fd;
}

static int64_t real_write(void *ctx, int fd, const void *p, size_t n, uint64_t offset) {
    ssize_t got = pwrite(fd, p, n, (off_t)offset);
    (void)ctx;
    return got < 0 ? -errno : got;
}

static int64_t real_read(void *ctx, int fd, void *p, size_t n, uint64_t offset) {
    ssize_t got = pread(fd, p, n, (off_t)offset);
    (void)ctx;
    return got < 0 ? -errno : got;
}

static int64_t real_size(void *ctx, int fd) {
    struct stat st;
    (void)ctx;
    return fstat(fd, &st) < 0 ? -errno : st.st_size;
}

static int real_truncate(void *ctx, int fd, uint64_t size) {
    (void)ctx;
    return ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
}

static int real_sync(void *ctx, int fd) {
    (void)ctx;
    return fdatasync(fd) < 0 ? -errno : 0;
}

static int real_close(void *ctx, int fd) {
    (void)ctx;
    return close(fd) < 0 ? -errno : 0;
}

static int real_rename(void *ctx, const char *from, const char *to) {
    (void)ctx;
    return rename(from, to) < 0 ? -errno : 0;
}

static int real_unlink(void *ctx, const char *path) {
    (void)ctx;
    return unlink(path) < 0 ? -errno : 0;
}

static int real_sync_dir(void *ctx, const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;
    (void)ctx;
    if (fd < 0) {
        return -errno;
    }
    rc = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return rc;
}

static int real_list(void *ctx, const char *path, void (*fn)(void *arg, const char *name),
                     void *arg) {
    DIR *d = opendir(path);
    struct dirent *e;
    int rc;
    (void)ctx;
    if (!d) {
        return -errno;
    }
    errno = 0;
    while ((e = readdir(d))) {
        fn(arg, e->d_name);
        errno = 0;
    }
    rc = -errno;
    closedir(d);
    return rc;
}

static int real_make_dir(void *ctx, const char *path) {
    char part[PATH_MAX];
    size_t n = strlen(path);
    (void)ctx;
    if (n >= sizeof(part)) {
        return -ENAMETOOLONG;
    }
    for (size_t i = 1; i <= n; i++) {
        struct stat st;
        char *slash;
        if (path[i] != '/' && path[i] != '\0') {
            continue;
        }
        memcpy(part, path, i);
        part[i] = '\0';
        if (stat(part, &st) == 0 && S_ISDIR(st.st_mode)) {
            continue;
        }
        if (mkdir(part, 0700) < 0 && errno != EEXIST) {
            return -errno;
        }
        slash = strrchr(part, '/');
        if (slash) { /* the new name is in its parent */
            slash[slash == part] = '\0';
        }
        if (real_sync_dir(NULL, slash ? part : ".") < 0) {
            return -EIO;
        }
    }
    return 0;
}

static int real_lock(void *ctx, const char *path, int64_t *owner) {
    char text[32] = "";
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), rc;
    (void)ctx;
    *owner = 0;
    if (fd < 0) {
        return -errno;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        rc = -errno;
        if (rc == -EWOULDBLOCK && pread(fd, text, sizeof(text) - 1, 0) > 0) {
            *owner = strtoimax(text, NULL, 10);
        }
        close(fd);
        return rc;
    }
    /* Only to name the holder to others; a failure to write it does not matter. */
    snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) == 0 && pwrite(fd, text, strlen(text), 0) < 0) {
        *owner = 0;
    }
    return fd;
}

const struct fsio fsio_real = {
    .open = real_open,
    .write = real_write,
    .read = real_read,
    .size = real_size,
    .truncate = real_truncate,
    .sync = real_sync,
    .close = real_close,
    .rename = real_rename,
    .unlink = real_unlink,
    .sync_dir = real_sync_dir,
    .list = real_list,
    .make_dir = real_make_dir,
    .lock = real_lock,
};

int fsio_write_all(const struct fsio *io, int fd, const void *p, size_t n, uint64_t offset,
                   size_t *done) {
    *done = 0;
    while (*done < n) {
        int64_t got = io->write(io->ctx, fd, (const char *)p + *done, n - *done, offset + *done);
        if (got == -EINTR) {
            continue;
        }
        if (got <= 0) {
            return got < 0 ? (int)got : -EIO;
        }
        *done += (size_t)got;
    }
    return 0;
}

static int read_fd(const struct fsio *io, int fd, char **ret, size_t *ret_len) {
    int64_t size = io->size(io->ctx, fd);
    size_t done = 0;
    char *text;
    if (size < 0) {
        return (int)size;
    }
    text = x_alloc((size_t)size);
    while (done < (size_t)size) {
        int64_t got = io->read(io->ctx, fd, text + done, (size_t)size - done, done);
        if (got == -EINTR) {
            continue;
        }
        if (got < 0) {
            free(text);
            return (int)got;
        }
        if (got == 0) {
            break;
        }
        done += (size_t)got;
    }
    *ret = text;
    *ret_len = done;
    return 0;
}

int fsio_read_all(const struct fsio *io, const char *path, char **ret, size_t *ret_len) {
    int fd = io->open(io->ctx, path, O_RDONLY), rc;
    if (fd < 0) {
        return fd;
    }
    rc = read_fd(io, fd, ret, ret_len);
    io->close(io->ctx, fd);
    return rc;
}
