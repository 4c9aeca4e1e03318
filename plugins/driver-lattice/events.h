/* SPDX-License-Identifier: Apache-2.0
 *
 * Events of hosts, turned into reports. Lossy and repeated by nature; every handler may run twice.
 */
#ifndef DRIVER_LATTICE_EVENTS_H
#define DRIVER_LATTICE_EVENTS_H

#include "driver.h"

void events_on_message(void *arg, const trl_msg *m); /* arg: the instance */

#endif
