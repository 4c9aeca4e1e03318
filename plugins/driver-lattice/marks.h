/* SPDX-License-Identifier: Apache-2.0
 *
 * What was asked of a host lately. A component_scaled event of a rebuild echoes the old image and
 * annotations, so an event is taken at its word only where it says exactly what was asked for and
 * no rebuild was; in every other case the inventory decides. Also: trial instances and their
 * leftovers.
 */
#ifndef DRIVER_LATTICE_MARKS_H
#define DRIVER_LATTICE_MARKS_H

#include "hosts.h"
#include "proto.h"

#define TRIAL_TAIL "-preflight"

void mark_set(struct host *h, const struct scale *s, uint32_t run_kind, int rebuild);
void mark_drop(struct host *h, trl_str unit); /* it is told to stop */
/* May the event's entry be believed? "Gone" may while no start was asked for since. */
int mark_believes(const struct host *h, const trl_running *e);
void marks_prune(struct host *h);
void marks_clear(struct host *h);

int trial_is(const trl_running *e); /* a trial instance of ours, by id and mark */
/* Moves trial instances behind the others; returns how many entries are real. */
size_t trials_apart(struct inventory *inv);
/* Ends trial instances that no update owns. */
void trials_clean(struct host *h, const struct inventory *inv, size_t n_real);

#endif
