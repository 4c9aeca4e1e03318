/* SPDX-License-Identifier: Apache-2.0
 *
 * The file calls the store makes, as a table, so that tests can fail each of them and stop the
 * world between any two. Results: >= 0, or a negative errno.
 */
#ifndef STORE_FILE_FSIO_H
#define STORE_FILE_FSIO_H

#include <stddef.h>
#include <stdint.h>

struct fsio {
    void *ctx;
    /* flags as open(2); O_CLOEXEC is added, new files get 0600. Returns the descriptor. */
    int (*open)(void *ctx, const char *path, int flags);
    int64_t (*write)(void *ctx, int fd, const void *p, size_t n, uint64_t offset); /* or less */
    int64_t (*read)(void *ctx, int fd, void *p, size_t n, uint64_t offset);
    int64_t (*size)(void *ctx, int fd);
    int (*truncate)(void *ctx, int fd, uint64_t size);
    int (*sync)(void *ctx, int fd); /* data and size are on the medium */
    int (*close)(void *ctx, int fd);
    int (*rename)(void *ctx, const char *from, const char *to);
    int (*unlink)(void *ctx, const char *path);
    int (*sync_dir)(void *ctx, const char *path); /* its names are on the medium */
    int (*list)(void *ctx, const char *path, void (*fn)(void *arg, const char *name), void *arg);
    int (*make_dir)(void *ctx, const char *path); /* with its parents, 0700; there already: fine */
    /* Creates the file and locks it. Returns the descriptor, or -EWOULDBLOCK with the holder's pid
     * in *owner (0: not known). The lock ends with the descriptor. */
    int (*lock)(void *ctx, const char *path, int64_t *owner);
};

extern const struct fsio fsio_real;

/* All of it, in spite of interruptions and short counts. 0 or a negative errno; then *done bytes
 * went through. */
int fsio_write_all(const struct fsio *io, int fd, const void *p, size_t n, uint64_t offset,
                   size_t *done);
/* The whole file. *ret is owned (malloc). */
int fsio_read_all(const struct fsio *io, const char *path, char **ret, size_t *ret_len);

#endif
