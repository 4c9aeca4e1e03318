#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Counts of the last test run, from ctest's log: programs by label, and test cases told by cmocka.
set -u
log=$1/Testing/Temporary/LastTest.log
[ -f "$log" ] || exit 0
passed=$(grep -cE '^\[ +OK +\]' "$log")
failed=$(grep -cE '^\[ +FAILED +\] [a-zA-Z]' "$log")
skipped=$(grep -cE '^\[ +SKIPPED +\] [a-zA-Z]' "$log")
echo "test cases: $passed passed, $failed failed lines, $skipped skipped"
grep -hE '^(verdicts|session|simulation|suite|conformance)[^:]*:' "$log" | sort -u
