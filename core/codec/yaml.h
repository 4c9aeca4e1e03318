/* SPDX-License-Identifier: Apache-2.0
 *
 * YAML as wadm reads it (libyaml events, own limits): one document, anchors and aliases expanded
 * and counted, depth limited while parsing.
 */
#ifndef TRELLIS_CODEC_YAML_H
#define TRELLIS_CODEC_YAML_H

#include "codec/node.h"

/* How scalars are typed differs by place (the decoder's "direct" and "buffered" regimes), so a
 * plain scalar keeps its source text in node.text whatever its type. */
int yaml_parse(str text, struct arena *a, struct node **ret, struct err *err);

#endif
