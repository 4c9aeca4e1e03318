/* SPDX-License-Identifier: Apache-2.0
 *
 * From the command line to the configuration of a plane or an agent.
 */
#ifndef TRELLIS_CLI_PLANE_CONFIG_H
#define TRELLIS_CLI_PLANE_CONFIG_H

#include "cli/cli.h"
#include "plane/config.h"

void config_tell_findings(const struct findings *f, const char *path); /* on stderr */
/* The file of --config over what is in config already; EXIT_*. */
int config_load(struct cli *c, struct config *config);
/* --plugin-dir comes before the file's plugin_dirs. */
void config_add_dirs(struct cli *c, struct config *config);
/* NATS options of the command line beat the file. */
void config_add_nats(struct cli *c, struct config *config);
/* Sets a member of a plugin's configuration to a text. */
void config_set_string(struct config *config, struct plugin_choice *p, const char *key,
                       const char *value);

#endif
