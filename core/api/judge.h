/* SPDX-License-Identifier: Apache-2.0
 *
 * What the policy chains and the secrets backends say of a manifest before it is stored or
 * deployed. Subjects are built here from the model: docs/policy.md lists their members.
 */
#ifndef TRELLIS_API_JUDGE_H
#define TRELLIS_API_JUDGE_H

#include "api/api_priv.h"

/* Asks the chain of TRL_POINT_PUT or TRL_POINT_DEPLOY. plan: what a deploy would do, else NULL.
 * then: exactly once, perhaps before this returns; ruling is NULL when nobody is asked, else
 * borrowed for the call. */
void judge_ask(struct req *r, uint32_t point, const struct manifest *m, const struct plan *plan,
               void (*then)(struct req *r, const struct ruling *ruling));
/* Adds the reasons to the request's findings, with their places in m where it has any. */
void judge_findings(struct req *r, const struct manifest *m, const struct ruling *ruling);

/* Checks every secret reference of m whose backend is configured here, without values. What is
 * missing or refused goes to *text (empty: all is well); a backend that cannot be asked is a
 * warning in the findings: its state says nothing about the secret. then: as above. */
void judge_secrets(struct req *r, const struct manifest *m,
                   void (*then)(struct req *r, str refusal));

/* Every secret of m whose backend is configured here; strings live in m, properties in the arena.
 */
struct judged_secret {
    const struct manifest *manifest;
    str name; /* in the manifest */
    const struct node *at;
    struct secret_want want;
};
void judge_each_secret(const struct api *a, str lattice, str app, const struct manifest *m,
                       struct arena *arena, void (*fn)(void *arg, const struct judged_secret *j),
                       void *arg);

/* The subject itself: for judging again what is deployed. */
void judge_subject(const struct api *a, uint32_t point, str tenant, str lattice, str caller_json,
                   const struct manifest *m, const struct plan *plan, struct buf *out);

#endif
