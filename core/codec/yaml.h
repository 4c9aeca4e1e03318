/* SPDX-License-Identifier: Apache-2.0
 *
 * YAML as wadm reads it (libyaml events, own limits): one document, anchors and aliases expanded
 * and counted, depth limited while parsing.
 */
#ifndef TRELLIS_CODEC_YAML_H
#define TRELLIS_CODEC_YAML_H

#include "codec/node.h"

#define YAML_MAX_DEPTH      128u
#define YAML_MAX_NODES      100000u
#define YAML_MAX_STEPS      1000000u /* an event costs 1, and the levels of brackets beyond 16 */
#define YAML_MAX_DIRECTIVES 1000u

/* How scalars are typed differs by place (the decoder's "direct" and "buffered" regimes), so a
 * plain scalar keeps its source text in node.text whatever its type. */
int yaml_parse(str text, struct arena *a, struct node **ret, struct err *err);

struct yaml_report {
    struct text_pos pos; /* of the fault; 0: unknown */
    uint32_t steps;      /* what the parser was asked to do, for tests of the limits */
    bool limit;          /* it was not the syntax but a limit */
};
/* The same, but the place is given apart and not in the message. */
int yaml_parse_report(str text, struct arena *a, struct node **ret, struct yaml_report *report,
                      struct err *err);

#endif
