/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX_BYTES (16u * 1024u * 1024u)

int file_read(const char *path, struct buf *ret, struct err *err) {
    int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 ? err_set(err, TRL_E_NOTFOUND, "cannot read %s: %s", path, strerror(errno)) : 0;
    while (rc == 0) {
        char chunk[65536];
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n == 0) {
            break;
        }
        if (n < 0 && errno != EINTR) {
            rc = err_set(err, TRL_E_INVALID, "cannot read %s: %s", path, strerror(errno));
        } else if (n > 0 && ret->len + (size_t)n > FILE_MAX_BYTES) {
            rc = err_set(err, TRL_E_INVALID, "%s is larger than 16 MiB", path);
        } else if (n > 0) {
            buf_add(ret, chunk, (size_t)n);
        }
    }
    if (fd > STDIN_FILENO) {
        close(fd);
    }
    if (rc < 0) {
        buf_finish(ret);
    }
    return rc;
}

/* The directory of a file, absolute, with a slash at its end; owned (free), NULL: there is none. */
static char *directory_of(const char *path) {
    const char *slash = strcmp(path, "-") == 0 ? NULL : strrchr(path, '/');
    struct buf dir = BUF_INIT;
    buf_addf(&dir, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    char *real = realpath(slash == path ? "/" : dir.ptr, NULL);
    buf_finish(&dir);
    return real;
}

int file_read_manifest(const char *path, struct buf *ret, struct err *err) {
    static const str local = STR("file://./");
    struct buf text = BUF_INIT;
    int rc = file_read(path, &text, err);
    char *dir = rc == 0 && memmem(text.ptr ? text.ptr : "", text.len, local.ptr, local.len)
                    ? directory_of(path)
                    : NULL;
    if (rc < 0 || !dir) {
        *ret = text;
        return rc;
    }
    for (str rest = buf_str(&text); rest.len;) {
        const char *hit = memmem(rest.ptr, rest.len, local.ptr, local.len);
        size_t n = hit ? (size_t)(hit - rest.ptr) : rest.len;
        buf_add(ret, rest.ptr, n);
        if (hit) {
            buf_addf(ret, "file://%s/", dir);
        }
        rest = str_skip(rest, n + (hit ? local.len : 0));
    }
    free(dir);
    buf_finish(&text);
    return 0;
}
