/* SPDX-License-Identifier: Apache-2.0
 *
 * What is wrong (or worth saying) about a document: all of it, in order, each with its place.
 */
#ifndef TRELLIS_MODEL_FINDING_H
#define TRELLIS_MODEL_FINDING_H

#include "base/arena.h"

enum finding_level { FINDING_ERROR, FINDING_WARNING };

struct finding {
    enum finding_level level;
    const char *code;      /* static, e.g. "duplicate-component" */
    str path;              /* "spec.components[1].properties.image" */
    uint32_t line, column; /* 0: unknown */
    str message;           /* wadm's text where clients match on it */
    str fix;               /* what to do; may be empty */
};

#define FINDINGS_MAX 1000u /* more are counted, not kept; the first error always is */

struct findings {
    struct arena arena; /* owns the texts */
    struct finding *at;
    uint32_t n, cap, errors; /* errors: all, also those not kept */
};

void findings_init(struct findings *f);
void findings_finish(struct findings *f);
/* Texts are copied. */
void findings_add(struct findings *f, enum finding_level level, const char *code, str path,
                  uint32_t line, uint32_t column, str message, str fix);
/* The first error-level finding, NULL if none. */
const struct finding *findings_first_error(const struct findings *f);
/* "name:line:column: error: message (fix)"; name may be empty. */
void finding_format(const struct finding *x, str name, struct buf *out);

#endif
