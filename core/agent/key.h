/* SPDX-License-Identifier: Apache-2.0
 *
 * The identity of an agent, kept in its state directory: an agent that starts again is the same
 * host. Reads and writes files: before the loop runs.
 */
#ifndef TRELLIS_AGENT_KEY_H
#define TRELLIS_AGENT_KEY_H

#include "base/err.h"
#include "hostwire/hostid.h"

/* The host's id of `dir`/host.seed (0600); both are made when missing. dir: absolute. */
int key_open(const char *dir, char ret_id[HOSTID_LEN + 1], struct err *err);

#endif
