/* SPDX-License-Identifier: Apache-2.0
 *
 * How long plugin code keeps the loop: a function that takes more than 100 ms of its own is named
 * in the log. Real time, so nothing is watched on a virtual loop. [loop]
 */
#ifndef TRELLIS_PLUG_WATCH_H
#define TRELLIS_PLUG_WATCH_H

#include "plug/plug.h"

struct watch { /* one call, on the caller's stack */
    int64_t began_ns;
    int64_t around_ns; /* what calls inside the one around it took before */
};

/* Around every call into the plugin on the loop; they nest. what: the function's name. */
void watch_enter(struct plug_inst *in, struct watch *w);
void watch_leave(struct plug_inst *in, const struct watch *w, const char *what);

#endif
