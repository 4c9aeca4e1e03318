/* SPDX-License-Identifier: Apache-2.0
 *
 * The subset of JSON Schema that plugins describe their config with (docs/config-schema.md): type,
 * properties, required, additionalProperties (false), enum, default, minimum, maximum, minLength,
 * maxLength, pattern is left out on purpose, items, minItems, maxItems, oneOf is left out on
 * purpose, description, title, examples.
 */
#ifndef TRELLIS_CODEC_SCHEMA_H
#define TRELLIS_CODEC_SCHEMA_H

#include "codec/node.h"

struct schema_finding {
    str pointer;           /* JSON pointer of the value (in the arena) */
    uint32_t line, column; /* of the value in its document, 0: unknown */
    str text;              /* what is wrong and what was expected */
};

struct schema_findings {
    struct schema_finding *at;
    uint32_t n, cap;
};

/* Is the schema itself in the subset? */
int schema_check(const struct node *schema, struct err *err);
/* Adds a finding per fault (all of them); returns their number. value NULL counts as {}. */
uint32_t schema_validate(const struct node *schema, const struct node *value, struct arena *a,
                         struct schema_findings *f);
/* A copy of value with absent members filled from "default" (in the arena). */
struct node *schema_fill(const struct node *schema, const struct node *value, struct arena *a);

#endif
