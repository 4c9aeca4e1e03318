/* SPDX-License-Identifier: Apache-2.0
 *
 * What the two halves of the schema module share.
 */
#ifndef TRELLIS_CODEC_SCHEMA_PRIV_H
#define TRELLIS_CODEC_SCHEMA_PRIV_H

#include "codec/schema.h"

/* v NULL: is it the name of a type at all? */
bool schema_fits_type(str type, const struct node *v);
bool schema_same(const struct node *a, const struct node *b); /* scalars */

#endif
