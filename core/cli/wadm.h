/* SPDX-License-Identifier: Apache-2.0
 *
 * Started under the name wadm, or with wadm's flags: serves as wadm would.
 */
#ifndef TRELLIS_CLI_WADM_H
#define TRELLIS_CLI_WADM_H

#include <stdbool.h>

/* `trellis --nats-server ...`: wadm's flags without a command. */
bool wadm_flags(int argc, char **argv);
int wadm_main(int argc, char **argv);

#endif
