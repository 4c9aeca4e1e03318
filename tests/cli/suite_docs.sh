# shellcheck shell=bash disable=SC2154,SC2094 # run.sh sets them; no file is read and written at once
# SPDX-License-Identifier: Apache-2.0
# The manual is the program's own; the examples are valid.
trellis help --manual >cli.md
diff -u "$root/docs/cli.md" cli.md >&2 ||
    fail "docs/cli.md is not what the program says: trellis help --manual > docs/cli.md"
for file in "$root"/docs/examples/*.yaml "$root"/docs/examples/wasm/*.yaml; do
    if grep -q '^kind: Application' "$file"; then
        expect 0 trellis app validate "$file"
    else
        expect 0 trellis config check "$file"
    fi
done
