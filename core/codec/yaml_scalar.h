/* SPDX-License-Identifier: Apache-2.0
 *
 * What a YAML scalar is: the typing of wadm's decoder, which is neither YAML 1.1 nor the core
 * schema.
 */
#ifndef TRELLIS_CODEC_YAML_SCALAR_H
#define TRELLIS_CODEC_YAML_SCALAR_H

#include "codec/node.h"

/* Sets type, value and flags of n from n->text. tag: NULL when there is none. */
void yaml_scalar_type(struct node *n, bool plain, const char *tag);

#endif
