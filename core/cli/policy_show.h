/* SPDX-License-Identifier: Apache-2.0 — trellis policy list|log|explain. */
#ifndef TRELLIS_CLI_POLICY_SHOW_H
#define TRELLIS_CLI_POLICY_SHOW_H

#include "cli/cli.h"
#include "codec/node.h"

int policy_list(struct cli *c);
int policy_log(struct cli *c);
int policy_explain(struct cli *c);
extern const struct cli_opt policy_log_options[];

/* A verdict with its reasons, as `plan` and `explain` show it. policy: {"verdict","reasons"}; NULL:
 * nobody is asked. */
void policy_print(struct cli *c, const struct node *policy);

#endif
