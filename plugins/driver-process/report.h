/* SPDX-License-Identifier: Apache-2.0
 *
 * What the core is told of this host and what it runs.
 */
#ifndef DRIVER_PROCESS_REPORT_H
#define DRIVER_PROCESS_REPORT_H

#include "unit.h"

void report_full(struct trl_inst *d, uint32_t flags);
void report_all(struct trl_inst *d); /* in full, unasked */
void report_unit(struct unit *u);    /* when there is news */
void report_note(struct unit *u, int32_t code, const char *text);

#endif
