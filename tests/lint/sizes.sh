#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Files up to 500 lines (headers 300), functions up to 60; exceptions with their reason in
# tests/lint/sizes.allow: "path [function]  reason".
set -u
cd "$(dirname "$0")/../.." || exit
allow=tests/lint/sizes.allow
bad=0
allowed() { grep -qE "^$1( |$)" "$allow" 2>/dev/null; }
while read -r f; do
    n=$(wc -l <"$f")
    limit=500
    [[ $f == *.h ]] && limit=300
    [[ $f == tests/* ]] && limit=900
    if [ "$n" -gt "$limit" ] && ! allowed "$f"; then
        echo "$f: $n lines (limit $limit)"
        bad=1
    fi
done < <(git ls-files '*.c' '*.h')
# A function begins with a line in column 0 that ends in '{' and ends with '}' in column 0.
while read -r f; do
    awk -v f="$f" '
        /^[A-Za-z_].*\) \{$/ || /^[^ #\/}].*\{$/ && /\(/ { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name); start = NR }
        /^}$/ && start { if (NR - start - 1 > 60) print f, name, NR - start - 1; start = 0 }' "$f"
done < <(git ls-files 'core/*.c' 'plugins/*.c' 'policy/*.c' 'secrets/*.c' 'sdk/*.c') | while read -r f name n; do
    allowed "$f $name" || { echo "$f: $name() has $n lines (limit 60)"; exit 1; }
done || bad=1
exit "$bad"
