/* SPDX-License-Identifier: Apache-2.0
 *
 * Subjects into requests of wasmCloud's policy protocol, and its answers back. Pure.
 */
#ifndef REMOTE_QUESTION_H
#define REMOTE_QUESTION_H

#include <jansson.h>
#include <trellis/helper.h>

#define QUESTION_ID_LEN 36u /* of a request id, without the NUL */

/* One request, without its id. */
struct question {
    char *key;    /* what an answer holds for: kind, id, image..., host. Owned */
    char *label;  /* the unit, for reasons; NULL where the subject is about one. Owned */
    char *path;   /* of the unit within the manifest; NULL: not known. Owned */
    json_t *body; /* owned */
};

struct questions {
    struct question *at;
    uint32_t n;
};

/* What has to be permitted for the subject to be allowed; none: the protocol has no words for it.
 * On failure (no JSON object, members of the wrong kind) *q is empty. */
trl_status questions_read(uint32_t point, trl_str subject, struct questions *q, trl_err *err);
void questions_finish(struct questions *q);

/* The request's text with this id. Owned by the caller. */
char *question_text(const struct question *q, const char *id);
/* A request id in the form of the hosts: a ULID written as a UUID. */
void question_id(uint64_t wall_ms, uint64_t random1, uint64_t random2,
                 char out[QUESTION_ID_LEN + 1]);

struct answer {
    int permitted;
    char *message; /* NULL: none; owned */
    char *id;      /* owned */
};

/* {"requestId":s,"permitted":b,"message":s?}, as strict as hosts are. On failure *a is empty. */
trl_status answer_read(trl_bytes text, struct answer *a, trl_err *err);
void answer_finish(struct answer *a);
/* Adds the reason of a denial to the array. */
void answer_reason(json_t *reasons, const struct question *q, const char *message,
                   const char *topic);

#endif
