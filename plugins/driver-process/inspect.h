/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking at what runs: logs (logs.c) and resources (usage.c).
 */
#ifndef DRIVER_PROCESS_INSPECT_H
#define DRIVER_PROCESS_INSPECT_H

#include "driver.h"

void logs_read(struct trl_inst *d, trl_op *op, const trl_log_query *q);
void usage_read(struct trl_inst *d, trl_op *op, trl_str lattice, trl_str app);

#endif
