# shellcheck shell=bash disable=SC2154,SC2094 # run.sh sets them; no file is read and written at once
# SPDX-License-Identifier: Apache-2.0
# The tour of README.md, word by word, beside `up` as its first command starts it. Only the port is
# another one, and the programs are those of this build.
tour=$(awk '/^## /{on = $0 == "## A tour"} on && /^    /{sub(/^    /, ""); print; seen = 1} on && seen && /^Two services/{exit}' "$root/README.md")
echo "$tour" | grep -q 'trellis app rollback' || { fail "no tour in README.md"; return; }
port=$((20000 + (RANDOM * 7 + $$) % 12000))
while (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
mkdir -p docs/examples
programs=$build/examples/programs
[ -d "$programs" ] || programs=$root/docs/examples/programs # where ./dev puts those of some presets
ln -s "$programs" docs/examples/programs
sed "s/127.0.0.1:8080/127.0.0.1:$port/g" "$root/docs/examples/hello.yaml" >docs/examples/hello.yaml
curl() { # http://HOST:PORT/, without what of curl is not needed
    local at=${1#http://}
    exec 9<>"/dev/tcp/${at%%:*}/${at##*:}" && printf 'GET / HTTP/1.0\r\n\r\n' >&9 && sed '1,/^\r*$/d' <&9
    exec 9>&-
}
start_up docs/examples/hello.yaml || return
until_ok grep -q '^Deployed' up.log
grep -q "http://127.0.0.1:$port/" up.log || fail "the URL was not printed"
while IFS= read -r line; do
    case $line in
    '' | alias*) continue ;;
    esac
    want=0
    [[ $line == *"(exit 1: changes)"* ]] && want=1
    line=${line//\/tmp\//$work/}
    line=${line//127.0.0.1:8080\//127.0.0.1:$port}
    (eval "$line") >"$work/out" 2>&1 </dev/null
    rc=$?
    [ $rc -eq $want ] || { fail "exit $rc instead of $want: $line"; cat "$work/out" >&2; }
    [ -s "$work/out" ] || [[ $line == sed* ]] || fail "prints nothing: $line"
    [[ $line != curl* ]] || cat "$work/out" >>answers
done <<<"$tour"
diff - answers >&2 <<'TEXT' || fail "other answers than the tour says"
Hello from Trellis (version 1)
Good evening from Trellis (version 1)
TEXT
until_ok bash -c "[ -z \"\$(trellis app list | tail -n +2)\" ]"
stop_up INT 0
