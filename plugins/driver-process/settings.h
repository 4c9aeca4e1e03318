/* SPDX-License-Identifier: Apache-2.0
 *
 * The properties of the trait `process`: what a manifest says about a process beyond its image.
 * They are kept as JSON; this says what is wrong with them, and gives the few that need work.
 */
#ifndef DRIVER_PROCESS_SETTINGS_H
#define DRIVER_PROCESS_SETTINGS_H

#include "base.h"

/* 0, or -1 with a text that names the member and what to write. */
int settings_check(const json_t *settings, char *why, size_t cap);

enum health_kind { HEALTH_ALIVE, HEALTH_HTTP, HEALTH_TCP, HEALTH_EXEC, HEALTH_NOTIFY };
struct health_spec {
    enum health_kind kind;
    const char *path, *address; /* borrowed; address NULL: the process's own listener */
    int64_t interval_ns, timeout_ns, grace_ns, settle_ns;
    int64_t threshold;
};
struct health_spec settings_health(const json_t *settings);
/* Does a process get a listener of its own, for its check? */
int settings_own_listener(const json_t *settings);
/* Name and address of listener i; 0 when there is none. name: buffer of 64. */
int settings_listen(const json_t *settings, size_t i, char *name, const char **address);
int64_t settings_stop_ms(const struct trl_inst *d, const json_t *settings);
/* The signal that tells a process of rotated secrets; 0: none. */
int settings_reload(const json_t *settings);
int settings_overlap(const json_t *settings);

#endif
