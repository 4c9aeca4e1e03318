/* SPDX-License-Identifier: Apache-2.0
 *
 * Which spread each host serves, for units that may run many times on a host. Only hosts that match
 * several spreads are a question.
 *
 * The counts are all we know of earlier answers, and from counts alone it cannot be told who served
 * what (that is the partition problem). So the choice hardly looks at them: a host has a home among
 * the spreads it matches, drawn by weight from its id, and leaves it only for a spread that would
 * have no host at all. That rests when fed its own answer, and hosts that come and go concern
 * nobody else.
 */
#ifndef PLUGINS_SPREAD_ASSIGN_H
#define PLUGINS_SPREAD_ASSIGN_H

#include "view.h"

/* Returns [v->n] shares or NONE, in the view's memory. */
uint32_t *assign(struct view *v);

#endif
