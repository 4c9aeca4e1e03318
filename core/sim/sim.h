/* SPDX-License-Identifier: Apache-2.0
 *
 * Virtual hosts on a bus and a loop. What they do is in world.h; its functions may be called at any
 * time with loop_now_ns().
 */
#ifndef TRELLIS_SIM_SIM_H
#define TRELLIS_SIM_SIM_H

#include "plug/bus.h"
#include "plug/loop.h"
#include "sim/world.h"

struct sim;

/* loop and bus are borrowed for the life of the sim. No host runs yet: sim_start or
 * world_host_start. */
int sim_create(struct loop *loop, struct bus *bus, const struct sim_config *c, struct sim **ret,
               struct err *err);
void sim_destroy(struct sim *s);  /* says nothing on the bus */
void sim_start(struct sim *s);    /* all hosts */
void sim_shutdown(struct sim *s); /* all hosts, orderly */
struct world *sim_world(struct sim *s);
void sim_stats_json(struct sim *s, struct buf *out);

#endif
