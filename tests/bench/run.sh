#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/bench/run.sh BUILD_DIR [WORKLOAD...]: measures a release build, writes BUILD_DIR/bench.json
# and docs/performance.md. Gates on nothing. Workloads: see bench_main.c; none: all.
set -euo pipefail
build=${1:?usage: run.sh BUILD_DIR [WORKLOAD...]}
shift
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
lines=$(mktemp)
stripped=$(mktemp)
trap 'rm -f "$lines" "$stripped"' EXIT

figure() { # id variant what value unit target how
    printf '{"id":"%s","variant":"%s","what":"%s","value":%s,"unit":"%s","target":"%s","how":"%s"}\n' "$@" >>"$lines"
}

program=$build/bin/trellis
strip -o "$stripped" "$program"
figure size - "program, stripped, without plugins" "$(($(stat -c %s "$stripped") / 1000))" kB "<= 600 kB" "strip"
figure size - "code and data" "$(size -B "$program" | awk 'NR == 2 { printf "%d", $4 / 1000 }')" kB - "size"
figure size - "program with debug information" "$(($(stat -c %s "$program") / 1000))" kB - "as built"

if [ $# -eq 0 ]; then
    "$build/tests/bench/bench_scaler" | awk '
        match($0, /median +[0-9.]+/) {
            ms = substr($0, RSTART + 7, RLENGTH - 7) + 0
            name = $0
            sub(/ +best.*/, "", name)
            gsub(/ +/, " ", name)
            printf "{\"id\":\"W4a\",\"variant\":\"scaler\",\"what\":\"1,000,000 instances, 10,000 hosts: %s\",\"value\":%s,\"unit\":\"ms\",\"target\":\"<= 50 ms\",\"how\":\"one decision, median of 21\"}\n", name, ms
        }' >>"$lines"
fi
"$build/tests/bench/bench" "$@" >>"$lines"

version() { dpkg-query -W -f='${Version}' "$1" 2>/dev/null || echo '?'; }
machine="$(nproc) cores ($(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)), Linux $(uname -r), $(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release)"
server=${NATS_SERVER:-$(PATH=/usr/sbin:$PATH command -v nats-server || true)}
versions="gcc $(gcc -dumpfullversion), $("${server:-nats-server}" --version 2>/dev/null | head -1), libnats $(version libnats-dev), libuv $(version libuv1-dev)"
load=$(cut -d' ' -f1-2 /proc/loadavg)
now=$(date -u +%Y-%m-%dT%H:%MZ)

{
    printf '{"date":"%s","machine":"%s","versions":"%s","load":"%s","figures":[\n' "$now" "$machine" "$versions" "$load"
    sed '$!s/$/,/' "$lines"
    printf ']}\n'
} >"$build/bench.json"

awk -v now="$now" -v machine="$machine" -v versions="$versions" -v load="$load" -f "$here/table.awk" "$lines" >"$root/docs/performance.md"
echo "docs/performance.md and $build/bench.json are written" >&2
