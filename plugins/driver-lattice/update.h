/* SPDX-License-Identifier: Apache-2.0
 *
 * UPDATE: one unit on one host from its old image to a new one, as one step. The measured sequence:
 * try the new image under a scratch id, stop, wait, start, wait; on failure back to the old one.
 * Never component.update, never allow_update: both leave old code serving.
 */
#ifndef DRIVER_LATTICE_UPDATE_H
#define DRIVER_LATTICE_UPDATE_H

#include "hosts.h"
#include "marks.h"

void update_apply(struct lattice *l, trl_op *op, const trl_action *a);

/* What happened on the host. error NULL: it was scaled. 1: it was a trial start of an update here.
 */
int update_trial_event(struct host *h, const trl_running *r, const trl_str *error);
void update_scaled(struct host *h, const trl_running *r); /* components and providers */
/* image: as requested. 1: an update takes it. */
int update_start_failed(struct host *h, trl_str unit, trl_str image, trl_str error);
void updates_see(struct host *h, const struct inventory *inv);
void updates_fail(struct host *h, const char *why); /* all of the host */
int update_owns_trial(const struct host *h, trl_str trial_id);

#endif
