/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of validation, one function each. Private to this room.
 */
#ifndef TRELLIS_MODEL_VALIDATE_H
#define TRELLIS_MODEL_VALIDATE_H

#include "base/map.h"
#include "model/decode.h"

#define SECRET_POLICY "policy.secret.wasmcloud.dev/v1alpha1"

struct check {
    const struct manifest *m;
    struct findings *f;
    struct buf text;  /* the message in the making */
    struct map names; /* component name to item; the first of a name */
};

/* Adds a finding with the text made so far (which is cleared). fix: NULL for none. */
void check_add(struct check *c, enum finding_level level, const char *code, str path,
               const struct node *at, const char *fix);
/* "spec.components[i]" + what follows; lives in the findings' arena. i: of the manifest's items */
__attribute__((format(printf, 3, 4))) str check_path(struct check *c, const struct item *it,
                                                     const char *fmt, ...);
/* A trait that takes part in the rules about links: of type link and shaped like one. */
bool check_is_link(const struct trait *t);

void check_interfaces(struct check *c);   /* 7  */
void check_targets(struct check *c);      /* 8, 8' */
void check_secrets(struct check *c);      /* 9  */
void check_custom(struct check *c);       /* 10 */
void check_items(struct check *c);        /* 11 */
void check_links(struct check *c);        /* 12 */
void check_link_configs(struct check *c); /* 13 */
void check_lint(struct check *c);         /* warnings of our own */

#endif
