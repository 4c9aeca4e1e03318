/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing parts of a manifest. Private to this room.
 */
#ifndef TRELLIS_MODEL_WRITE_H
#define TRELLIS_MODEL_WRITE_H

#include "model/manifest.h"

/* Members of an object by key, equal keys in document order; owned. */
const struct node_member **write_sorted(const struct node *o, uint32_t *ret_n);
/* What is stored of a trait's properties: compact JSON, keys of free-form objects sorted. */
str write_trait_json(struct arena *a, const struct trait *t);

#endif
