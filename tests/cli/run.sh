#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One suite of the command line: tests/cli/run.sh BUILD_DIR SUITE. Suites are tests/cli/suite_*.sh;
# what they show is compared with golden/SUITE.txt (UPDATE_GOLDEN=1 rewrites it).
# shellcheck disable=SC2317 # the suites call what is here
set -u
build=$(cd "${1:?build directory}" && pwd) || exit
suite=${2:?suite}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/trlcli.XXXXXX") || exit
program=$build/bin/trellis
shown=$work/shown.txt
failed=0
pids=()
up=
: >"$shown"

for v in $(compgen -e | grep -E '^(WADM_|WASMCLOUD_|TRELLIS_(SOCKET|PLUGIN_PATH)|NO_COLOR)'); do
    unset "$v"
done
mkdir "$work/run" "$work/state"
export XDG_RUNTIME_DIR=$work/run XDG_STATE_HOME=$work/state TMP_WORK=$work
export LC_ALL=C.UTF-8 # the masks know the lines of trees by character
PATH=$build/bin:$PATH

cleanup() {
    local p
    for p in ${pids[@]+"${pids[@]}"}; do
        kill -9 "$p" 2>/dev/null && wait "$p" 2>/dev/null
    done
    rm -rf "$work"
}
trap cleanup EXIT

fail() {
    echo "FAIL: $*" >&2
    failed=1
}

# What differs from run to run, with columns kept where they are. Numbers of a run first.
mask() {
    sed -E -e "s#$work#WORK#g" -e "s#$build#BUILD#g" -e "s#$root#SOURCE#g" \
        -e 's/\b01[0-9A-HJKMNP-TV-Z]{24}\b/VERSION-------------------/g' -e 's/\bN[A-Z2-7]{55}\b/HOST----------------------------------------------------/g' \
        -e 's/\bN[A-Z2-7]{7}\b/HOSTHOST/g' -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z/TIME/g' \
        -e 's/(sha256"?:? +"?|SHA-256 is |`[a-z-]+: )[0-9a-f]{64}\b/\1SHA256/g' -e 's/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/TRACE/g' -e 's/\b[0-9]+s ago/Ns ago/g' \
        -e 's/ [0-9]+s +([0-9a-f]{12})$/ AGE  \1/' -e 's/process [0-9]+/process PID/' \
        -e 's/"(seen_ms_ago|created_ms|uptime_s|heartbeat_ms|seq)": ?[0-9]+/"\1": N/' \
        -e 's/(seen_ms_ago|created_ms|uptime_s|heartbeat_ms|seq): [0-9]+/\1: N/' -e 's/ +$//'
}

# Shows a command, what it printed and its exit code.
show() {
    local rc
    printf '$ %s\n' "$*" | mask >>"$shown"
    timeout 60 "$@" >"$work/out" 2>&1 </dev/null
    rc=$?
    mask <"$work/out" >>"$shown"
    [ "$rc" -eq 0 ] || echo "[exit $rc]" >>"$shown"
    echo >>"$shown"
}

# As show, where widths of columns differ from machine to machine.
show_narrow() {
    local before
    before=$(wc -c <"$shown")
    show "$@"
    { head -c "$before" "$shown"; tail -c "+$((before + 1))" "$shown" | sed -E 's/ {2,}/  /g'; } >narrow
    mv narrow "$shown"
}

# The exit code of a command, without showing it.
expect() { # code command...
    local want=$1 rc
    shift
    timeout 60 "$@" >"$work/out" 2>&1 </dev/null
    rc=$?
    [ "$rc" -eq "$want" ] || { fail "exit $rc instead of $want: $*"; cat "$work/out" >&2; }
}

# Waits, by asking, until a command succeeds.
until_ok() {
    local end=$((SECONDS + 60))
    until "$@" >/dev/null 2>&1; do
        [ -z "$up" ] || kill -0 "$up" 2>/dev/null || { fail "up has ended, before: $*"; return 1; }
        [ "$SECONDS" -lt "$end" ] || { fail "never: $*"; return 1; }
    done
}

answers() {
    kill -0 "$up" && "$program" lattice list -o json --timeout 2 | grep -q '"synced": true'
}

# Starts `trellis up ARGUMENTS` and waits until it answers. Its pid: $up
start_up() {
    "$program" up "$@" >"$work/up.log" 2>&1 </dev/null &
    up=$!
    pids+=("$up")
    until_ok answers || { cat "$work/up.log" >&2; return 1; }
}

stop_up() { # signal, expected exit code
    kill "-$1" "$up"
    wait "$up" 2>/dev/null
    local rc=$?
    up=
    [ "$rc" -eq "$2" ] || { fail "up ended with $rc instead of $2"; cat "$work/up.log" >&2; }
}

cd "$work" || exit
# shellcheck source=/dev/null
. "$here/suite_$suite.sh"

golden=$here/golden/$suite.txt
if [ -s "$shown" ]; then
    if [ -n "${UPDATE_GOLDEN:-}" ]; then
        cp "$shown" "$golden"
    elif ! diff -u "$golden" "$shown" >&2; then
        fail "$suite: not what golden/$suite.txt says (UPDATE_GOLDEN=1 rewrites it)"
    fi
fi
exit $failed
