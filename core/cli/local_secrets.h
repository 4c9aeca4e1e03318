/* SPDX-License-Identifier: Apache-2.0
 *
 * The secrets of `trellis up` without a configuration: a backend named "local", a directory beside
 * the store. `trellis secret put local KEY` writes into it without a server.
 */
#ifndef TRELLIS_CLI_LOCAL_SECRETS_H
#define TRELLIS_CLI_LOCAL_SECRETS_H

#include "cli/cli.h"
#include "plane/config.h"

#define LOCAL_SECRETS "local"

/* Makes the directory (0700; not for `up --ephemeral`) and names the backend in config, unless that
 * names backends. 0, or -1 with why there is none. --data of the command says where, as it does for
 * `up`. */
int local_secrets_use(struct cli *c, struct config *config, struct err *err);

#endif
