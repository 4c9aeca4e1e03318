/* SPDX-License-Identifier: Apache-2.0
 *
 * What a server's answer says: its text in, verdicts out. Pure.
 */
#ifndef OPA_ANSWER_H
#define OPA_ANSWER_H

#include "opts.h"

struct verdict {
    int32_t verdict; /* TRL_V_* */
    uint32_t flags, ttl_ms;
    char *reasons; /* JSON array, owned; NULL: none */
};

struct answer_terms {
    const char *rule;  /* data.trellis.decision: named in reasons */
    const char *asked; /* the one that was asked, of a batch another: named in errors */
    enum opts_undefined undefined;
    uint32_t ttl_ms; /* of decisions that say nothing about it */
    int may_keep;    /* an answer may say "until the rules change" */
};

/* One decision: fills *v. On failure *v is empty. */
trl_status answer_one(const struct answer_terms *t, const char *text, size_t len, struct verdict *v,
                      trl_err *err);
/* n decisions in their order: fills v[0..n). On failure all are empty. */
trl_status answer_batch(const struct answer_terms *t, const char *text, size_t len,
                        struct verdict *v, uint32_t n, trl_err *err);
/* The error that an HTTP status other than 200 is. url: for the text. */
trl_status answer_refused(const char *url, long status, const char *text, size_t len, trl_err *err);
/* A number that changes with the answer: of /v1/policies when `policies`, else of a document. */
trl_status answer_revision(const char *text, size_t len, int policies, uint64_t *ret, trl_err *err);
/* Is it one JSON object and nothing else? */
int answer_is_object(const char *text, size_t len);
void verdict_finish(struct verdict *v);

#endif
