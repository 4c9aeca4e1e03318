/* SPDX-License-Identifier: Apache-2.0
 *
 * Scripted hosts on a real bus.
 */
#ifndef TESTS_DRIVER_BUSRIG_H
#define TESTS_DRIVER_BUSRIG_H

#include "fakecore.h"
#include "plug/bus.h"

struct core *busrig_create(struct bus *bus, struct loop *loop); /* both borrowed */
void busrig_destroy(struct core *c);

#endif
