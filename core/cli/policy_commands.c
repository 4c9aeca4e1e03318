/* SPDX-License-Identifier: Apache-2.0 — trellis policy. */
#include "cli/policy_show.h"
#include "cli/policy_test.h"

const struct command cli_policy_commands[] = {
    {"policy", "list", "", 0, 0, "who is asked at which point, and how often it was decided", "",
     NULL, policy_list},
    {"policy", "log", "[APP]", 0, 1, "decisions, newest last",
     "Everything that is no allow out of memory. -x _ for all lattices.\n", policy_log_options,
     policy_log},
    {"policy", "explain", "FILE|APP", 1, 1, "what the chain of `deploy` says of an application",
     "Exit 6 when it is denied. Nothing is changed.\n", NULL, policy_explain},
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
