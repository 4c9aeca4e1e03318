/* SPDX-License-Identifier: Apache-2.0
 *
 * Secrets that changed while their process runs: read again, put in place of the old files, and the
 * process is told by a signal if it asked for that (setting `reload`). On the loop.
 */
#ifndef DRIVER_PROCESS_ROTATE_H
#define DRIVER_PROCESS_ROTATE_H

#include "unit.h"

/* If the references are not those that its files are of. What fails is tried again. */
void run_rotate(struct run *r);
void run_rotate_end(struct run *r); /* it is about to be freed */

#endif
