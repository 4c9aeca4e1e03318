/* SPDX-License-Identifier: Apache-2.0
 *
 * Which lattices there are, and the engine of each: named in the configuration, has apps, or seen
 * on the bus.
 */
#ifndef TRELLIS_PLANE_LATTICES_H
#define TRELLIS_PLANE_LATTICES_H

#include <trellis/trellis.h>

#include "plane/plane.h"

extern const trl_host_observe_v1 lattices_observe_iface; /* ctx of the iface: the plane */

void lattices_start(struct plane *p); /* engines for all that are known so far */
void lattices_finish(struct plane *p);
void lattices_want(struct plane *p, str tenant, str lattice);
void lattices_app_changed(struct plane *p, const struct app *a);
void lattices_link_state(struct plane *p, bool up);
void lattices_policy_changed(struct plane *p); /* rulings may differ now */
void lattices_each(struct plane *p, void (*fn)(void *arg, struct engine *e), void *arg);
void lattices_each_lease(struct plane *p, void (*fn)(void *arg, bool held), void *arg);
bool lattices_settled(const struct plane *p);

#endif
