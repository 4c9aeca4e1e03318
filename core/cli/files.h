/* SPDX-License-Identifier: Apache-2.0 — reading files and standard input. */
#ifndef TRELLIS_CLI_FILES_H
#define TRELLIS_CLI_FILES_H

#include "base/err.h"
#include "base/str.h"

/* "-" is standard input. At most 16 MiB. */
int file_read(const char *path, struct buf *ret, struct err *err);
/* As file_read. Images "file://./..." begin at the directory of the file ("-": the current one):
 * servers know absolute paths only. */
int file_read_manifest(const char *path, struct buf *ret, struct err *err);

#endif
