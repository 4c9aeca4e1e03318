/* SPDX-License-Identifier: Apache-2.0
 *
 * Seeds of an agent, kept as text in files of mode 0600: an agent that starts again is the same
 * host. Reads and writes files: before the loop runs. Keys go into memory of the caller's, guarded
 * or wiped.
 */
#ifndef TRELLIS_AGENT_KEY_H
#define TRELLIS_AGENT_KEY_H

#include <stdint.h>

#include "base/err.h"

/* Of `dir`/host.seed (SN...); both are made when missing. dir: absolute. First. */
int key_host(const char *dir, uint8_t ret[32], struct err *err);
/* Of `dir`/account.seed (SA...), made when missing; or of a file of the operator's, which has to be
 * there, and for nobody else to read. file: NULL or a path. */
int key_account(const char *dir, const char *file, uint8_t ret[32], struct err *err);

#endif
