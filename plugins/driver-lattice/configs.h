/* SPDX-License-Identifier: Apache-2.0
 *
 * Named configs: reading those the core cares for, changing them one request after another per
 * name. Values are never kept, logged or put into errors; only hashes are.
 */
#ifndef DRIVER_LATTICE_CONFIGS_H
#define DRIVER_LATTICE_CONFIGS_H

#include "lattice.h"

void configs_read(struct lattice *l, trl_op *op, const trl_str *names, uint32_t n);
/* CONFIG_PUT, CONFIG_DEL */
void configs_apply(struct lattice *l, trl_op *op, const trl_action *a);
/* config_set, config_deleted */
void configs_on_event(struct lattice *l, trl_str name, int deleted);
void configs_audit(struct lattice *l);        /* reads all of interest again */
void configs_read_unknown(struct lattice *l); /* those that could not be read so far */
void configs_destroy(struct lattice *l);

#endif
