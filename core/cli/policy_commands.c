/* SPDX-License-Identifier: Apache-2.0 — trellis policy. */
#include "cli/policy_test.h"

const struct command cli_policy_commands[] = {
    {"policy", "test", "RULES CASES...", 2, -1, "hold a file of rules against cases",
     "CASES: files, or directories of *.yaml, *.yml and *.json, each\n"
     "`cases: [{name, point, manifest, subject, expect, rule, code, enforce}]`. With `manifest`\n"
     "(put and deploy) the subject is made of that file, and `subject` is put over it. A case may\n"
     "name rules (codes) that must be among the reasons. Exit 1 when a case is not decided as it\n"
     "expects.\n"
     "docs/policy.md has the language and the subjects.\n",
     NULL, policy_test},
    {NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL},
};
