/* SPDX-License-Identifier: Apache-2.0
 *
 * What a keeper is to run: the file `spec` in its directory. All texts point into `text`, which is
 * owned.
 */
#ifndef KEEPER_SPEC_H
#define KEEPER_SPEC_H

#include <stddef.h>
#include <stdint.h>

#define SPEC_LIMITS_MAX 16

struct spec_limit {
    int which; /* RLIMIT_* */
    uint64_t value;
};

struct spec {
    char *text;
    char **argv, **env, **check; /* owned arrays, NULL-terminated; check: of its health */
    const char *dir;             /* working directory */
    const char *cgroup;          /* of this instance; NULL: none */
    const char *secrets_dir;     /* of this instance: removed at the end; NULL: none */
    const char *memory_max, *cpu_max, *pids_max, *fdnames;
    struct spec_limit limits[SPEC_LIMITS_MAX];
    int n_limits, n_fds, n_sealed;
    int64_t uid, gid;                          /* -1: as we are */
    uint64_t log_bytes, stop_ms, unclaimed_ms; /* unclaimed_ms 0: lives on without a manager */
    unsigned log_files;
    int notify;
};

/* Returns 0, or -1 with a text of what is wrong. */
int spec_read(struct spec *s, const char *path, char *why, size_t cap);
void spec_finish(struct spec *s);

#endif
