/* SPDX-License-Identifier: Apache-2.0
 *
 * `trellis up --ephemeral`: a directory of this command's own, and a process that stays behind it.
 * However the command ends, also by a SIGKILL of it and of its terminal, that process waits until
 * nothing runs any more with a working directory in there, and removes the directory and the paths.
 */
#ifndef TRELLIS_CLI_EPHEMERAL_H
#define TRELLIS_CLI_EPHEMERAL_H

#include "base/err.h"

struct ephemeral;
/* Before any thread and any socket of ours. paths: sockets and what lies beside them, borrowed;
 * they are left alone when somebody else listens on the first by then. */
int ephemeral_begin(const char *const *paths, uint32_t n, struct ephemeral **ret, struct err *err);
const char *ephemeral_dir(const struct ephemeral *e); /* absolute; borrowed */
void ephemeral_end(struct ephemeral *e); /* blocks until all is removed; NULL is fine */

#endif
