/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a host belongs that matches several spreads: its home is drawn among them by weight from
 * its id, so that hosts which come and go change nobody else's.
 */
#ifndef PLUGINS_SPREAD_HOME_H
#define PLUGINS_SPREAD_HOME_H

#include "view.h"

/* Returns [v->n] shares, NONE for a host that cannot run the unit; in the view's memory. */
uint32_t *find_homes(struct view *v);

#endif
