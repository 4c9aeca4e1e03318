/* SPDX-License-Identifier: Apache-2.0
 *
 * The driver's start (state read, processes of an earlier life adopted) and stop.
 */
#ifndef DRIVER_PROCESS_LIFE_H
#define DRIVER_PROCESS_LIFE_H

#include "driver.h"

void life_start(struct trl_inst *d, trl_op *op);
void life_stop(struct trl_inst *d, trl_op *op);

#endif
