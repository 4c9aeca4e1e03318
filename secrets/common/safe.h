/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that hold secrets: opened without leaving their directory, refused when others may read or
 * write them, read into guarded memory, replaced atomically. Blocking: for threads of the pool.
 * Errors name the file and what to do, never what is in it.
 */
#ifndef SECRETS_COMMON_SAFE_H
#define SECRETS_COMMON_SAFE_H

#include <sys/stat.h>
#include <trellis/trellis.h>

struct safe {
    const trl_host_secret_v1 *mem;
    void *ctx;      /* of mem */
    int group_read; /* files may be readable by their group */
    int no_openat2; /* atomic; the kernel lacks it, or for tests: names are walked, no link taken */
};

struct safe_bytes { /* in guarded memory */
    uint8_t *ptr;   /* NULL: nothing was read */
    size_t len;
};

void safe_free(const struct safe *s, struct safe_bytes *b);

/* Names of a directory's entries, '/' between them, none hidden: what may be a key. */
trl_status safe_key_check(trl_str key, trl_err *err);

/* The directory itself. -1: *st says why. */
int safe_open_dir(const char *path, trl_status *st, trl_err *err);
/* A regular file beneath dir (AT_FDCWD with an absolute path: anywhere), checked; *meta is of it.
 */
int safe_open(struct safe *s, int dir, const char *path, struct stat *meta, trl_status *st,
              trl_err *err);
/* All of it, at most max bytes. name: for the texts. */
trl_status safe_read(const struct safe *s, int fd, const struct stat *meta, size_t max,
                     const char *name, struct safe_bytes *ret, trl_err *err);
/* safe_open and safe_read. */
trl_status safe_load(struct safe *s, int dir, const char *path, size_t max, struct safe_bytes *ret,
                     struct stat *ret_meta, trl_err *err);
/* Writes beside it, syncs, renames; directories on the way are created with mode 0700. The caller
 * holds a lock against others who write. */
trl_status safe_replace(int dir, const char *path, const void *p, size_t n, trl_err *err);

/* errno as a status, with the text "NAME: WHY". */
trl_status safe_errno(int code, const char *name, trl_err *err);

#endif
