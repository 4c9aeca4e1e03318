#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The layout of the plugin ABI against what is written down in layout.txt: structs as the debugger
# sees them (offset, size, type and name of each member) and the values of constants.
# Usage: tests/abi/layout.sh [INCLUDE_DIR]. UPDATE_GOLDEN=1 writes layout.txt.
# A struct that begins with struct_size may grow at its end; nothing else may change.
set -euo pipefail
cd "$(dirname "$0")"
include=$(cd "${1:-../../sdk/include}" && pwd)
golden=$PWD/layout.txt
command -v gdb >/dev/null || { echo "no gdb: skipped"; exit 77; }
work=$(mktemp -d "${TMPDIR:-/tmp}/trlabi.XXXXXX")
trap 'rm -rf "$work"' EXIT

(cd "$include" && find trellis -name '*.h' | LC_ALL=C sort | sed 's/.*/#include <&>/') >"$work/all.h"
printf '%s\nint main(void) { return 0; }\n' '#include "all.h"' >"$work/shape.c"
gcc -g -gdwarf-4 -fno-eliminate-unused-debug-types -I"$include" "$work/shape.c" -o "$work/shape"

debug() { gdb -nx -batch -ex 'set width 0' "$@" "$work/shape"; }

constants() {
    gcc -E -dM -I"$include" "$work/all.h" |
        grep -E '^#define TRL_[A-Z0-9_]+ ' | grep -v -E ' TRL_ABI_MINOR ' | tr -s ' ' | LC_ALL=C sort
}

structs() {
    local name names args=()
    names=$(debug -ex 'info types trl_' | sed -nE 's/^[0-9]+:\s+struct (trl_[a-z0-9_]+);$/\1/p' | LC_ALL=C sort)
    for name in $names; do
        args+=(-ex "echo \\nstruct $name\\n" -ex "ptype /o struct $name")
    done
    # one line a member: offset, size, declaration; holes and totals too, since a hole may be filled
    debug "${args[@]}" | sed -nE \
        -e 's/^(struct trl_[a-z0-9_]+)$/\1/p' \
        -e 's!^/\* +([0-9]+) +\| +([0-9]+) \*/ +(.*);$!  \1 \2 \3!p' \
        -e 's!^/\* X{3} +([0-9]+)-byte hole.*!  hole \1!p' \
        -e 's!^ +/\* total size \(bytes\): +([0-9]+) \*/!  size \1!p'
}

{ constants; structs; } >"$work/now.txt"
[ "$(grep -c '^struct ' "$work/now.txt")" -gt 20 ] || { echo "the debugger shows no structs"; exit 1; }
if [ -n "${UPDATE_GOLDEN:-}" ]; then
    cp "$work/now.txt" "$golden"
    exit 0
fi

awk '
    FNR == 1 { file++ }
    /^#define / { value[file, $2] = $0; if (file == 1) constants[++n_constants] = $2; next }
    /^struct / { name = $2; if (file == 1) names[++n_names] = name; known[file, name] = 1; next }
    { n = ++members[file, name]; member[file, name, n] = $0 }
    function fail(text) { print text; bad = 1 }
    END {
        for (i = 1; i <= n_constants; i++) {
            c = constants[i]
            if (value[1, c] != value[2, c]) fail(value[1, c] "\n  is now: " (value[2, c] ? value[2, c] : "gone"))
        }
        for (i = 1; i <= n_names; i++) {
            s = names[i]
            if (!known[2, s]) { fail("struct " s " is gone"); continue }
            old = members[1, s]
            grows = member[1, s, 1] ~ / struct_size$/
            for (k = 1; k <= old; k++) {
                if (grows && member[1, s, k] ~ /^  size /) continue
                if (member[1, s, k] != member[2, s, k])
                    { fail("struct " s ": \"" member[1, s, k] "\" is now \"" member[2, s, k] "\""); break }
            }
            if (!grows && members[2, s] != old) fail("struct " s " has grown, and nobody can tell: it has no struct_size")
        }
        if (bad) print "The ABI only grows: append members to structs that begin with struct_size, add constants and structs."
        exit bad
    }' "$golden" "$work/now.txt"
added=$(diff <(grep '^struct ' "$golden") <(grep '^struct ' "$work/now.txt") | grep -c '^>' || true)
echo "$(grep -c '^struct ' "$golden") structs, $(grep -c '^#define' "$golden") constants as written down; $added structs new"
