/* SPDX-License-Identifier: Apache-2.0
 *
 * The line-oriented control of `trellis sim`.
 */
#ifndef TRELLIS_SIM_CONTROL_H
#define TRELLIS_SIM_CONTROL_H

#include "sim/world.h"

extern const char control_help[];

/* Carries one line out and appends what there is to say. False: it was "quit". */
bool control_line(struct world *w, str line, int64_t now_ns, struct buf *out);

#endif
