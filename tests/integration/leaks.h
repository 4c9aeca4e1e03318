/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking for bytes that must not be there: in memory, files, directories and processes, as they
 * are, in base64 (at every alignment) and in hex.
 */
#ifndef TRELLIS_TESTS_LEAKS_H
#define TRELLIS_TESTS_LEAKS_H

#include <stddef.h>
#include <sys/types.h>

struct leaks; /* what is looked for */

struct leaks *leaks_create(void);
void leaks_destroy(struct leaks *l);
/* Also the name it is told by. At least 16 bytes. */
void leaks_add(struct leaks *l, const char *name, const char *value);
/* Each returns how many were found, and prints what and where. */
unsigned leaks_in_bytes(const struct leaks *l, const char *where, const void *p, size_t n);
unsigned leaks_in_file(const struct leaks *l, const char *path);
unsigned leaks_in_tree(const struct leaks *l, const char *dir);
/* Writable memory of a living process. dumped_only: without what it keeps out of core files: all
 * that a core file would have of it. */
unsigned leaks_in_process(const struct leaks *l, pid_t pid, int dumped_only, size_t *ret_bytes);

#endif
