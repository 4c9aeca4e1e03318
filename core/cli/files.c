/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/files.h"

#include <errno.h>
#include <fcntl.h>
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
