/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking everyone: ping, then every host's inventory; all links.
 */
#ifndef DRIVER_LATTICE_RESYNC_H
#define DRIVER_LATTICE_RESYNC_H

#include "lattice.h"

void resync_start(struct lattice *l, trl_op *op);

#endif
