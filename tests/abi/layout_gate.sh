#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Does layout.sh let through what is allowed, and nothing else? Each case edits a copy of the headers.
set -euo pipefail
cd "$(dirname "$0")"
command -v gdb >/dev/null || { echo "no gdb: skipped"; exit 77; }
work=$(mktemp -d "${TMPDIR:-/tmp}/trlgate.XXXXXX")
trap 'rm -rf "$work"' EXIT
unset UPDATE_GOLDEN
failed=0

try() { # pass|fail, what, file, sed script
    local got=pass
    rm -rf "$work/include"
    cp -r ../../sdk/include "$work/include"
    sed -i -E "$4" "$work/include/trellis/$3"
    if cmp -s "$work/include/trellis/$3" "../../sdk/include/trellis/$3"; then
        echo "$2: the edit changed nothing"
        failed=1
        return
    fi
    ./layout.sh "$work/include" >"$work/out" 2>&1 || got=fail
    if [ "$got" != "$1" ]; then
        printf '%s: %s, not %s\n' "$2" "$got" "$1"
        cat "$work/out"
        failed=1
    fi
}

try pass 'a function is appended' kind/store.h 's/^\} trl_store_v1;/    void (*more)(trl_inst *);\n&/'
try pass 'a new struct and constant' kind/store.h 's/^typedef struct trl_put \{/#define TRL_NEW_ONE 1u\ntypedef struct trl_new { uint32_t struct_size; } trl_new;\n&/'
try fail 'a function is put in between' kind/store.h 's/^    void \(\*put\)\(/    void (*more)(trl_inst *);\n&/'
try fail 'a parameter has another type' kind/store.h 's/(void \(\*list\)\(.*)uint32_t limit/\1uint64_t limit/'
try fail 'a function is taken away' kind/store.h 's/^    void \(\*info\)\(.*$//'
try fail 'members change places' abi.h '/^typedef struct trl_err /,/^\}/ s/msg_len/tmp/; /^typedef struct trl_err /,/^\}/ s/retry_after_ms/msg_len/; /^typedef struct trl_err /,/^\}/ s/\<tmp\>/retry_after_ms/'
try fail 'a struct without struct_size grows' abi.h 's/^\} trl_label;/    uint64_t more;\n&/'
try fail 'a constant has another value' kind/store.h 's/(define TRL_ENTRY_DELETED) 1u/\1 8u/'
[ "$failed" = 0 ] && echo "8 cases"
exit "$failed"
