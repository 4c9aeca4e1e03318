/* SPDX-License-Identifier: Apache-2.0
 *
 * Counters of a world as JSON, and a host's real contents, for people and test scripts.
 */
#ifndef TRELLIS_SIM_STATS_H
#define TRELLIS_SIM_STATS_H

#include "sim/world.h"

/* One object: hosts, and per lattice what was asked, said, done and what went wrong. */
void stats_write(struct world *w, int64_t now_ns, struct jw *j);
/* One host: state, labels, what it really runs. */
void stats_write_host(const struct vhost *h, struct jw *j);

#endif
