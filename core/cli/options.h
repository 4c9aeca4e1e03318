/* SPDX-License-Identifier: Apache-2.0
 *
 * Options of the command line: those that every command has, and how a line is read.
 */
#ifndef TRELLIS_CLI_OPTIONS_H
#define TRELLIS_CLI_OPTIONS_H

#include "cli/cli.h"

/* Defaults and the environment. url: keeps what the environment's parts make up. */
void options_defaults(struct cli *c, struct buf *url);
/* Reads everything behind the command's name. 0, or an exit code after printing why. */
int options_parse(struct cli *c, const struct command *cmd, int argc, char **argv, bool *ret_help);
/* How many arguments a common option at argv[0] takes, itself included; 0: it is none. */
int options_common_size(int argc, char **argv);
/* "  -c, --config FILE    text" for each option, aligned. */
void options_write(const struct cli_opt *o, struct buf *out);
void options_write_common(struct buf *out);

#endif
