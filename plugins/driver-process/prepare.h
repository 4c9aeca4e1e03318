/* SPDX-License-Identifier: Apache-2.0
 *
 * What a process is given: environment, configuration, sockets, limits.
 */
#ifndef DRIVER_PROCESS_PREPARE_H
#define DRIVER_PROCESS_PREPARE_H

#include "spawn.h"
#include "unit.h"

/* For a new run of its unit; sets its check_address. NULL with a text. */
struct spawn *spawn_prepare(struct run *r, char *why, size_t cap);

#endif
