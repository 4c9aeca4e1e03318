/* SPDX-License-Identifier: Apache-2.0
 *
 * Changing links. Hosts keep the links of one source in one record without revision checks, and
 * delete by a key that knows no target; so requests for one source go one after another, and a
 * deletion puts back what shared the key. Different sources go in parallel.
 */
#ifndef DRIVER_LATTICE_LINKS_H
#define DRIVER_LATTICE_LINKS_H

#include "linkset.h"

/* LINK_PUT, LINK_DEL, LINK_RENEW */
void links_apply(struct lattice *l, trl_op *op, const trl_action *a);
/* linkdef_set, linkdef_deleted (found: the event names what was removed), linkdef_set_failed */
void links_on_set(struct lattice *l, const trl_link *link);
void links_on_deleted(struct lattice *l, const trl_link *key, int found);
void links_on_failed(struct lattice *l, const trl_link *link, trl_str error);

#endif
