/* SPDX-License-Identifier: Apache-2.0
 *
 * apply(): every verb that is one request to one host; the others go to their modules.
 */
#ifndef DRIVER_LATTICE_ACTIONS_H
#define DRIVER_LATTICE_ACTIONS_H

#include "lattice.h"

#define ACTIONS_VERBS 0x1ffeull /* 1 .. 12 */

void actions_apply(struct trl_inst *d, trl_op *op, const trl_action *a);

#endif
