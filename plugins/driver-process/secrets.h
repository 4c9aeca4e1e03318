/* SPDX-License-Identifier: Apache-2.0
 *
 * Secrets of a unit: the references among its configurations (named "SECRET_…"), their values on
 * the way from the core to a process, and the variables that say where they are. Values lie in
 * guarded memory of the core's and go as soon as they are written. On the loop.
 */
#ifndef DRIVER_PROCESS_SECRETS_H
#define DRIVER_PROCESS_SECRETS_H

#include "secret_files.h"
#include "unit.h"

int secret_is(const char *config); /* is a configuration of this name a reference? */
/* Of a reference: without the version it names, unless a change of version makes another process.
 */
uint64_t secret_hash(const struct trl_inst *d, const char *config);
/* All that the unit and its links refer to, with versions; 0: it has none. */
uint64_t secrets_hash(const struct unit *u);

/* The secrets of a unit by now, without values. NULL: it has none. why: set when they cannot be
 * had (NULL then, too). */
struct secrets *secrets_of(const struct unit *u, char *why, size_t cap);
/* Exactly one done in a later turn, unless freed: why is NULL when all values are there. */
void secrets_fetch(struct secrets *s, void (*done)(void *arg, const char *why), void *arg);
void secrets_free(struct secrets *s); /* cancels, wipes; NULL is fine */
/* TRELLIS_SECRETS_DIR and so on, as they will be in the process; first_fd: of descriptors there. */
void secrets_env(const struct secrets *s, int first_fd, json_t *env);

#endif
