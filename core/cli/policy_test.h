/* SPDX-License-Identifier: Apache-2.0 — trellis policy test. */
#ifndef TRELLIS_CLI_POLICY_TEST_H
#define TRELLIS_CLI_POLICY_TEST_H

#include "cli/cli.h"

/* Arguments: a file of rules, then files or directories of cases. */
int policy_test(struct cli *c);

#endif
