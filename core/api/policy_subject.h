/* SPDX-License-Identifier: Apache-2.0
 *
 * What policies hear of a manifest that is to be stored or deployed: docs/policy.md lists the
 * members. Pure.
 */
#ifndef TRELLIS_API_POLICY_SUBJECT_H
#define TRELLIS_API_POLICY_SUBJECT_H

#include "codec/json.h"
#include "engine/plan.h"
#include "model/manifest.h"

struct policy_subject {
    uint32_t point;          /* TRL_POINT_PUT or TRL_POINT_DEPLOY */
    const str *tenant;       /* NULL: there are none */
    str lattice, caller;     /* caller: a JSON object; empty: nothing is known */
    const struct plan *plan; /* NULL: none */
    bool no_manifest;        /* nobody looks at the manifest itself */
};

/* One JSON object onto out. */
void policy_subject_write(const struct policy_subject *s, const struct manifest *m,
                          struct buf *out);

/* A policy of the manifest by name, NULL; its property, empty; and all properties but the name of
 * the backend as a JSON object. */
const struct policy *policy_subject_find(const struct manifest *m, str name);
str policy_subject_property(const struct policy *p, const char *key);
void policy_subject_properties(struct jw *w, const struct policy *p);

#endif
