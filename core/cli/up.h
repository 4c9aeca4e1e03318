/* SPDX-License-Identifier: Apache-2.0
 *
 * What `trellis up` adds to a plane: simulated hosts on its bus, and the files to deploy, followed
 * until they are Deployed.
 */
#ifndef TRELLIS_CLI_UP_H
#define TRELLIS_CLI_UP_H

#include "cli/serve.h"

struct up;
/* done(rc) when every file is deployed (0), or one failed, or time is over. Borrows everything. */
struct up *up_create(const struct serve_options *o, struct loop *loop, const struct log *log,
                     struct plane *plane, void (*done)(void *arg, int rc), void *arg);
void up_begin(struct up *u);                                    /* the plane serves */
void up_stop(struct up *u, void (*done)(void *arg), void *arg); /* the hosts go */
/* Something else is written to the terminal: true when there was something to take off. */
bool up_hide(struct up *u);
void up_show(struct up *u);
void up_destroy(struct up *u); /* NULL is fine */

#endif
