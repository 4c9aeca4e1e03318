#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Puts a Python with nats-py and PyNaCl into the cache of test tools, once, and prints its path: the
# independent peer that tests/plugin/secrets runs against the nats-kv backend. Prints nothing and exits
# 77 (skip) where it cannot be had: no network, no Python.
#   tests/tools/nats-py.sh [--have]     --have: only say whether it is there, fetch nothing
set -euo pipefail

packages=(nats-py==2.16.0 pynacl==1.6.2)
limit_s="${TRELLIS_NATS_PY_FETCH_S:-300}"

tools="${TRELLIS_TEST_TOOLS:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/trellis-test-tools}"
venv="$tools/nats-py-2.16.0"

skip() {
    echo "nats-py.sh: no Python with nats-py: $*" >&2
    exit 77
}

have() { [ -x "$venv/bin/python" ] && "$venv/bin/python" -c 'import nats, nacl.public' 2>/dev/null; }

if have; then
    echo "$venv/bin/python"
    exit 0
fi
[ "${1:-}" = --have ] && skip "not fetched yet; run tests/tools/nats-py.sh"

mkdir -p "$tools" || skip "$tools cannot be made"
exec 9>"$tools/nats-py.lock"
flock -w "$limit_s" 9 || skip "somebody else has been fetching it for more than $limit_s s"
if ! have; then
    log="$tools/nats-py.log"
    python="$(command -v python3 || true)"
    [ -n "$python" ] || skip "no python3 on PATH"
    rm -rf "$venv"
    if ! { "$python" -m venv "$venv" && timeout "$limit_s" "$venv/bin/pip" install -q "${packages[@]}"; } >"$log" 2>&1; then
        skip "the packages cannot be installed: $(tail -n 1 "$log")"
    fi
    have || skip "what was fetched does not run"
fi
echo "$venv/bin/python"
