/* SPDX-License-Identifier: Apache-2.0
 *
 * Links and named configs: what was put, kept in links.json and configs.json of the state
 * directory, told to the core, and handed to processes as environment.
 *
 * The target of a link gets a listening socket on loopback, named "link-<name>"; both ends learn
 * its address.
 */
#ifndef DRIVER_PROCESS_LINKS_H
#define DRIVER_PROCESS_LINKS_H

#include "unit.h"

void links_apply(struct trl_inst *d, trl_op *op, const trl_action *a);
void links_report(struct trl_inst *d); /* all of them */
/* After adoption: sockets for the links whose target nobody brought back. */
void links_listen(struct trl_inst *d);
/* Both ends' hash, and what they are told: name=value texts into env (a JSON object). */
uint64_t links_hash(const struct trl_inst *d, const char *unit);
void links_env(const struct trl_inst *d, const char *unit, json_t *env);
int links_target(const struct trl_inst *d, const char *unit, const char *listener);

void configs_apply(struct trl_inst *d, trl_op *op, const trl_action *a);
void configs_report(struct trl_inst *d, const trl_str *names, uint32_t n);
uint64_t config_hash(const json_t *map);
/* What a configuration of this name makes of a process: its contents; of a secret: secrets.h. */
uint64_t configs_hash_of(const struct trl_inst *d, const char *name);

/* "a b-c" -> "A_B_C", for names of variables; owned. */
char *env_name(const char *text);

#endif
