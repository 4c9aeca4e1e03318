#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every lint, one line each. Usage: tests/lint/run.sh BUILD_DIR
# shellcheck disable=SC2317 # the checks are called by name
set -u
cd "$(dirname "$0")/../.." || exit
build=${1:?build directory}
failed=0

# The files of the tree are asked of git, whoever owns them; without an answer nothing is looked at.
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=$PWD
if ! said=$(git ls-files --error-unmatch dev 2>&1); then
    echo "lint FAIL  the files of a git checkout are needed: $said"
    exit 1
fi

check() { # name command...
    local name=$1 out
    shift
    if out=$("$@" 2>&1); then
        printf 'lint ok    %s\n' "$name"
    else
        printf 'lint FAIL  %s\n%s\n' "$name" "$out"
        failed=1
    fi
}

sources() { git ls-files '*.c' '*.h'; }

format() { sources | xargs clang-format --dry-run --Werror; }

headers_alone() {
    local bad=0 h s
    for h in sdk/include/trellis/*.h sdk/include/trellis/*/*.h; do
        for s in c11 c17; do
            gcc -std="$s" -Wall -Wextra -Wpedantic -Wc++-compat -Werror -Isdk/include -fsyntax-only -x c "$h" || bad=1
        done
        g++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -Isdk/include -fsyntax-only -x c++ "$h" || bad=1
    done
    return "$bad"
}

exports() {
    local bad=0 f got
    for f in "$build"/plugins/*.so; do
        got=$(nm -D --defined-only "$f" | awk '{print $3}' | grep -v -E '^(__odr_asan|__asan|__sancov|_init$|_fini$)' || true)
        [ "$got" = trl_plugin_entry ] || { echo "$f exports: $got"; bad=1; }
    done
    got=$(nm -D --defined-only "$build/bin/trellis" | awk '$2 ~ /[TDBR]/ {print $3}' |
        grep -v -E '^(__asan|__ubsan|__lsan|__tsan|__sanitizer|__interceptor|___interceptor|_init$|_fini$|_IO_stdin_used|__odr_asan|.*asan.*|.*tsan.*)' || true)
    [ -z "$got" ] || { echo "the program exports: $got"; bad=1; }
    return "$bad"
}

forbidden() {
    ! git grep -nE '\b(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|gets)\(' -- '*.c' '*.h' ':!tests/lint'
}

own_words() {
    ! git grep -nIwE 'TODO|FIXME|XXX|HACK' -- '*.c' '*.h' '*.sh' dev ':!tests/lint'
}

shell() { git ls-files '*.sh' dev .ci/run 2>/dev/null | xargs shellcheck -x; }

check "format (clang-format)" format
check "layers (include graph)" tests/lint/layers.sh
check "sizes (files, functions)" tests/lint/sizes.sh
check "headers alone (C11, C17, C++17)" headers_alone
check "exported symbols" exports
check "forbidden functions" forbidden
check "nothing left for later" own_words
check "shell (shellcheck)" shell
exit $failed
