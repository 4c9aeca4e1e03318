/* SPDX-License-Identifier: Apache-2.0
 *
 * May code from this file run in our process? The file and each directory above it must belong to
 * root or to us and be writable by nobody else (a root-owned sticky directory such as /tmp may be
 * above one of ours); no symbolic links; a regular file that is not set-id.
 */
#ifndef TRELLIS_PLUG_TRUST_H
#define TRELLIS_PLUG_TRUST_H

#include "base/err.h"
#include "base/str.h"

/* An absolute path without '.', '..', and double slashes, by text only (owned). */
char *trust_absolute(const char *path);
/* path: as trust_absolute makes it. ret_fd: open for reading, owned. TRL_E_NOTFOUND when it, or a
 * directory on the way, is not there; TRL_E_DENIED says what to change. */
int trust_open(const char *path, int *ret_fd, struct err *err);

#endif
