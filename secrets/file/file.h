/* SPDX-License-Identifier: Apache-2.0
 *
 * secrets/1 "file", inside: what is configured, and the reading and writing that threads of the
 * pool do on behalf of ops. The instance itself and everything of ops stays on the loop.
 */
#ifndef SECRETS_FILE_FILE_H
#define SECRETS_FILE_FILE_H

#include <pthread.h>

#include "../common/keyfile.h"
#include "sealed.h"

/* Constant once the instance has started, but for the lock's own and safe.no_openat2. */
struct place {
    struct safe safe;
    char *dir;         /* the directory, or the one that has the sealed file */
    char *sealed;      /* its name in there; NULL: a file per key */
    char *seal_key;    /* file with its key */
    char *version_key; /* file with the digest's key; NULL: of the sealed file's key */
    int readonly, trim, credential;
    uint8_t *keys;         /* guarded, 64 bytes: the seal's, the digest's; NULL before the start */
    pthread_mutex_t write; /* one put, and one look into the sealed file, after another */
};

/* One thing to do on a thread. Strings are owned. */
struct task {
    char *key, *field, *version; /* NUL-terminated; field and version may be "" */
    size_t key_len;
    struct safe_bytes put; /* owned, guarded */
    int want_value;        /* fetch; else only the version */
    struct stat known;     /* of a watch: unless it has changed, `same` is all that is told */
    int has_known;
    /* what came of it */
    trl_status st;
    trl_err err;
    struct safe_bytes value; /* guarded, of `value_at`: the part that is the value */
    trl_bytes value_at;
    char told[VERSION_LEN + 1];
    int same;
    char **names; /* of a list, sorted; owned */
    size_t n_names, cap_names;
};

void task_finish(const struct place *p, struct task *t);
trl_status place_start(struct place *p, trl_err *err);
void place_finish(struct place *p);
/* Does the sealed file open, if there is one? */
trl_status place_probe(struct place *p, int dir, trl_err *err);
void place_read(struct place *p, struct task *t);
void place_write(struct place *p, struct task *t);
void place_list(struct place *p, struct task *t); /* key: the prefix */

trl_status conf_check(trl_str config, trl_err *err);
/* Fills a zeroed place. */
trl_status conf_read(trl_str config, struct place *p, int64_t *ret_poll_ns, trl_err *err);

struct trl_inst {
    const trl_host *host;
    const trl_host_work_v1 *work;
    const trl_host_loop_v1 *loop;
    const trl_host_secret_v1 *secret;
    struct place place;
    int64_t poll_ns;
    uint64_t timer;
    struct job *jobs;
    struct watch *watches;
    trl_op *stop_op;
    uint64_t n_fetched, n_failed;
};

void ops_start(trl_inst *in, trl_op *op);
void ops_stop(trl_inst *in, trl_op *op);
void ops_finish(trl_inst *in);
extern const trl_secrets_v1 ops_table, ops_table_readonly;
extern const char file_schema[];

#endif
