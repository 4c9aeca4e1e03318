/* SPDX-License-Identifier: Apache-2.0
 *
 * host.health/1: is the plane alive, and ready to serve? The store is asked when somebody asks.
 */
#ifndef TRELLIS_PLANE_HEALTH_H
#define TRELLIS_PLANE_HEALTH_H

#include <trellis/trellis.h>

#include "plane/plane.h"

struct health;

extern const trl_host_health_v1 health_iface; /* ctx of the iface: the health */

struct health *health_create(struct plane *p);
void health_destroy(struct health *h); /* nobody is told any more; before the kv. NULL is fine */

#endif
