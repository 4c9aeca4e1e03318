/* SPDX-License-Identifier: Apache-2.0
 *
 * The process itself: started with nothing but what its specification says, and everything that
 * descends from it.
 */
#ifndef KEEPER_CHILD_H
#define KEEPER_CHILD_H

#include <sys/types.h>

#include "spec.h"

/* Starts it; out, err: write ends of the log pipes; notify: 0 or 1. Returns the pid, or -1 with a
 * text. */
pid_t child_start(const struct spec *s, int out, int err, char *why, size_t cap);
/* SIGKILL for the group, the cgroup, and whoever was handed to us as an orphan. */
void child_kill_all(pid_t pid, const struct spec *s);
void child_forget_cgroup(const struct spec *s);
/* The files, and their directory; last: and the one around it, if it is empty then. */
void child_forget_secrets(const struct spec *s, int last);

#endif
