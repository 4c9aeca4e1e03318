/* SPDX-License-Identifier: Apache-2.0
 *
 * Streams by declaration: created when absent, compared when present, never changed or deleted.
 */
#ifndef NATS_STREAM_H
#define NATS_STREAM_H

#include "peer.h"

struct stream_want {
    char *name, *description;
    char **subjects;
    size_t n_subjects;
    int64_t max_msgs_per_subject; /* -1: no limit */
    int64_t max_age_s;            /* 0: for ever */
    int64_t max_bytes;            /* -1: no limit */
    int allow_direct;
    int bucket; /* of a key-value store: no deletes, roll-ups, refuse new when full */
};
void stream_want_finish(struct stream_want *w);

struct stream_found {
    int created; /* by us, now */
    int allow_direct;
    int forgets; /* messages go by age */
    int64_t max_msgs_per_subject;
    uint64_t messages, bytes, first_seq, last_seq;
    uint64_t subjects; /* that have a message; 0 with messages: the server does not tell */
    char since[64];    /* its creation time: another one means another stream */
    json_t *b_drift;   /* borrowed: [{"field","have","want"}] */
};

struct stream_check;
/* Looks and creates. w is borrowed until done, which runs once; f is NULL unless st is TRL_OK. With
 * only_look an absent stream is TRL_E_NOTFOUND. */
typedef void (*stream_fn)(void *arg, trl_status st, const struct stream_found *f,
                          const trl_err *err);
struct stream_check *stream_ensure(struct peer *p, const struct stream_want *w, int only_look,
                                   stream_fn done, void *arg);
void stream_check_end(struct stream_check *s); /* done will not run; NULL is fine */

/* "field have X want Y; ..." (owned); NULL when there is no drift. */
char *stream_drift_text(const json_t *drift);

#endif
