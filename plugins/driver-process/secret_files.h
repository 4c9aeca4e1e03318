/* SPDX-License-Identifier: Apache-2.0
 *
 * Where values go: files in a directory of the run on a tmpfs, or sealed descriptors. The values
 * are wiped when they are written. Functions that may block: for the worker pool.
 */
#ifndef DRIVER_PROCESS_SECRET_FILES_H
#define DRIVER_PROCESS_SECRET_FILES_H

#include <sys/types.h>

#include "base.h"

struct secret {
    struct secrets *of;
    char *config; /* owned, as everything here; name of the reference */
    char *file;   /* its name in the directory */
    char *var;    /* "TRELLIS_SECRET_<NAME>_FILE" */
    json_t *ref;
    uint64_t call; /* fetching, else 0 */
    void *value;   /* host.secret/1; NULL: none, or empty */
    size_t n;
};

struct secrets {
    struct trl_inst *d;
    char *unit, *app;
    uint32_t kind;
    struct secret *at;
    size_t n, waiting;
    uint64_t hash; /* as secrets_hash, when they were read */
    char *dir;     /* of the run; NULL: descriptors */
    char why[320]; /* of the first that failed */
    void (*done)(void *arg, const char *why);
    void *arg;
};

void secret_wipe(struct secrets *s); /* values; any thread */

/* A directory of our own on a tmpfs, for the secrets of this state directory; secret_write makes
 * it. wanted: an option, or empty. NULL: there is none, and why (empty when none was wanted). */
char *secret_place(const char *wanted, const char *state_dir, char *why, size_t cap);
/* Removes what runs left behind that are no more: keep says which are there. */
void secret_sweep(const char *place, int (*keep)(void *arg, const char *run), void *arg);
void secret_remove(const char *place, const char *run); /* place NULL: nothing */

/* Into files of s->dir, 0400 of that user; each replaces its older one at once. 0 or -1 with a
 * text. uid, gid -1: our own. Wiped in any case. */
int secret_write(struct secrets *s, uid_t uid, gid_t gid, char *why, size_t cap);
/* Into sealed descriptors: s->n of them, the caller's. */
int secret_seal(struct secrets *s, uid_t uid, gid_t gid, int *fds, char *why, size_t cap);

#endif
