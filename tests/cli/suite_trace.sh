# shellcheck shell=bash disable=SC2154 # run.sh sets them
# SPDX-License-Identifier: Apache-2.0
# trellis trace: what is always the same of a tree, and that trees, events and hosts agree.
cp "$root/docs/examples/wasm/hello.yaml" hello.yaml

# The first two levels; numbers of a run are masked, and so are the widths they make.
upper() {
    timeout 60 trellis "$@" >tree.txt 2>&1 </dev/null
    rc=$?
    printf '$ trellis %s\n' "$*" >>"$shown"
    grep -vE '^[│ ]+[├└]' tree.txt | sed -E -e 's/[0-9a-f]{32}/TRACE/g' -e 's/ {2,}/  /g' \
        -e 's/20[0-9-]+T[0-9:]+/TIME/' -e 's/[0-9.]+(us|ms|s)\b/N/g' |
        mask | sed -E -e 's/VERSION-+/VERSION/' >>"$shown"
    [ "$rc" -eq 0 ] || echo "[exit $rc]" >>"$shown"
    echo >>"$shown"
}

start_up --memory --hosts 3 || return
three() { [ "$(trellis host list | grep -c ' ready ')" -eq 3 ]; }
until_ok three
show trellis trace nobody
show trellis trace hello --trace short
expect 0 trellis app apply hello.yaml --wait
converged() { trellis trace hello | grep -qE '^└─ converge.* ok '; }
until_ok converged
upper trace hello
expect 0 trellis trace hello -o json
expect 0 trellis trace hello -o yaml

# The same facts as the events: each command once, in one trace.
trellis trace hello -o json >trace.json
commands=$(trellis app events hello -o json | grep '"kind":"command"' | grep -c '"outcome":"sent"')
spans=$(grep -c '"kind": "client"' trace.json)
if [ "$commands" -lt 5 ] || [ "$commands" -ne "$spans" ]; then
    fail "$commands commands sent, $spans spans"
fi
id=$(sed -n 's/^  "trace": "\(.*\)",/\1/p' trace.json)
others=$(trellis app events hello -o json | grep '"kind":"command"' | grep -vc "\"trace_id\":\"$id\"")
[ "$others" -eq 0 ] || fail "$others command records of another trace than $id"
trellis app events hello -f >follow.txt 2>&1 &
follower=$!
pids+=("$follower")
listed() { grep -q 'deployed$' follow.txt; }
until_ok listed

# What comes is told to who follows, and is in the newest trace.
sed 's/web:1.0.0/web:1.1.0/' hello.yaml >hello2.yaml
expect 0 trellis app put hello2.yaml
expect 0 trellis app deploy hello --wait
until_ok converged
upper trace hello
grep -q "^also $id " tree.txt || fail "the first deployment is not named: $(cat tree.txt)"
updated() { grep -qE 'command +hello +(update|scale) hello-web on .*: done' follow.txt; }
until_ok updated
kill "$follower"
expect 0 trellis trace hello --trace "$id"
grep -q '^app.apply' "$work/out" || fail "not the trace that was asked for"
upper trace hello --trace 00000000000000000000000000000001
stop_up TERM 0
