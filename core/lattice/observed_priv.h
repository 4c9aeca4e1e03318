/* SPDX-License-Identifier: Apache-2.0 — shared by observed.c (hosts) and observed_shared.c. */
#ifndef TRELLIS_LATTICE_OBSERVED_PRIV_H
#define TRELLIS_LATTICE_OBSERVED_PRIV_H

#include "lattice/observed.h"

void observed_touch(struct observed *o, enum obs_what what, uint32_t id, str key);
void observed_finish_shared(struct observed *o);

#endif
