/* SPDX-License-Identifier: Apache-2.0
 *
 * A text that changes: redrawn in place on a terminal, printed again when it changed elsewhere.
 */
#ifndef TRELLIS_CLI_LIVE_H
#define TRELLIS_CLI_LIVE_H

#include "base/str.h"

struct live {
    struct buf last; /* what is on the screen */
    uint32_t lines;  /* it takes there */
};
#define LIVE_INIT                                                                                  \
    { BUF_INIT, 0 }

/* text: lines. Goes to stdout. */
void live_draw(struct live *l, str text);
/* Something else is to be written where it stands: takes it off the screen (true), to be put back
 * below. */
bool live_hide(struct live *l);
void live_show(struct live *l);
void live_leave(struct live *l); /* it stays where it stands; what comes next goes below it */
void live_finish(struct live *l);

#endif
