/* SPDX-License-Identifier: Apache-2.0
 *
 * Which shared components of a manifest nobody provides at present.
 */
#ifndef TRELLIS_API_SHARED_H
#define TRELLIS_API_SHARED_H

#include "catalog/catalog.h"

/* Names in m of references that no deployed version satisfies (the deployed one, not the newest),
 * as
 * ["a", "b"]; empty when all are satisfied. In the arena. */
str shared_missing(struct catalog *c, str tenant, str lattice, const struct manifest *m,
                   struct arena *a);

#endif
