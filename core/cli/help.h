/* SPDX-License-Identifier: Apache-2.0
 *
 * --help and the manual, both from the tables of commands.
 */
#ifndef TRELLIS_CLI_HELP_H
#define TRELLIS_CLI_HELP_H

#include "cli/cli.h"

extern const struct command *const cli_families[]; /* ends with NULL */

/* NULL: all commands. */
void help_group(const char *group, struct buf *out);
void help_command(const struct command *c, struct buf *out);
/* In Markdown. */
void help_manual(struct buf *out);

#endif
