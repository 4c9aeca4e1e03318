/* SPDX-License-Identifier: Apache-2.0
 *
 * Starting keepers: the part that may block, on the worker pool. Nothing here touches the driver's
 * state but its options and the descriptor of the state directory.
 */
#ifndef DRIVER_PROCESS_SPAWN_H
#define DRIVER_PROCESS_SPAWN_H

#include <sys/types.h>

#include "base.h"

#define SPAWN_FDS_MAX 32

struct secrets;

struct spawn {                      /* everything owned */
    char *id;                       /* of the run: its directory is runs/<id> */
    char *image, *entry;            /* entry: of a bundle; NULL: the only one there is */
    char *config;                   /* text of config.json */
    char *meta;                     /* text of meta.json */
    char *user, *group, *directory; /* NULL: as we are; where the program is */
    json_t *lines;                  /* array of "key=value" for the keeper */
    json_t *args;                   /* array of texts */
    char *fdnames;                  /* of fds, joined by ':' */
    int fds[SPAWN_FDS_MAX];         /* closed by spawn_run */
    int n_fds, n_sealed;            /* fds: sockets, then secrets */
    struct secrets *secrets;        /* values are there; NULL: none */
    int pid;                        /* result */
    char error[320];                /* result: empty when it runs */
};

void spawn_run(struct trl_inst *d, struct spawn *s);
void spawn_free(struct spawn *s);
/* Runs the check of the run in this directory; 0 when it succeeds, -1 with a text. */
int spawn_check(const struct trl_inst *d, const char *dir, int64_t timeout_ms, char *why,
                size_t cap);
/* Names to numbers; those of what is NULL are left alone. 0, or -1 with a text. */
int spawn_user(const char *user, const char *group, uid_t *uid, gid_t *gid, char *why, size_t cap);
/* Leaves word for the next life of the driver which secrets the run has. */
void spawn_note_secrets(const struct trl_inst *d, const char *id, uint64_t hash);
/* Path of the directory of a run, owned. */
char *spawn_dir(const struct trl_inst *d, const char *id);

#endif
