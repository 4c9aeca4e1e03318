# shellcheck shell=bash disable=SC2154,SC2094 # run.sh sets them; no file is read and written at once
# SPDX-License-Identifier: Apache-2.0
# The tour of README.md, word by word, beside `up` as its first command starts it.
tour=$(awk '/^## /{on = $0 == "## A tour"} on && /^    /{sub(/^    /, ""); print; seen = 1} on && seen && /^With NATS/{exit}' "$root/README.md")
echo "$tour" | grep -q 'trellis app rollback' || { fail "no tour in README.md"; return; }
start_up "$root/docs/examples/hello.yaml" || return
until_ok grep -q '^Deployed' up.log
cd "$root" || return
while IFS= read -r line; do
    case $line in
    '' | alias* | 'nats-server'* | 'trellis serve'* | 'wash '*) continue ;;
    esac
    want=0
    [[ $line == *"(exit 1: changes)"* ]] && want=1
    (eval "${line//\/tmp\//$work/}") >"$work/out" 2>&1 </dev/null
    rc=$?
    [ $rc -eq $want ] || { fail "exit $rc instead of $want: $line"; cat "$work/out" >&2; }
    [ -s "$work/out" ] || [[ $line == sed* ]] || fail "prints nothing: $line"
done <<<"$tour"
cd "$work" || return
until_ok bash -c "[ -z \"\$(trellis app list | tail -n +2)\" ]"
stop_up INT 0
