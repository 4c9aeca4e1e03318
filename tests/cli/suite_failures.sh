# shellcheck shell=bash disable=SC2154,SC2094 # run.sh sets them; no file is read and written at once
# SPDX-License-Identifier: Apache-2.0
# What cannot work says so in a line, with what to do, and ends.
printf 'apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata: {name: x}\nspec:\n  components:\n    - name: a\n      type: nope\n' >bad.yaml
hello=$root/docs/examples/wasm/hello.yaml
expect 0 trellis up --once --memory "$hello"
show trellis up --memory bad.yaml
show trellis up --once --memory bad.yaml "$hello"
show trellis up --memory none.yaml
show trellis up --data "$work/bad.yaml"
show trellis up --data /proc/none

start_up --hosts 1 || return
show trellis up
show trellis up --socket "$work/other.sock"
show trellis serve -c none.yaml
stop_up TERM 0
# A place for the page that is asked for and taken ends it; without the option another is found.
start_up --hosts 1 --http 127.0.0.1:0 || return
page=$(sed 's,^http://\([^/]*\)/.*,\1,' "$XDG_RUNTIME_DIR/trellis/default.sock.login")
trellis up --memory --hosts 1 --socket "$work/other.sock" --http "$page" >out 2>&1 </dev/null
[ $? -eq 4 ] || fail "--http: a place that is taken does not end it with 4"
grep -q "cannot listen on $page: Address already in use: choose another" out || { fail "--http"; cat out >&2; }
stop_up TERM 0
# What is left of a killed one is taken over.
start_up --hosts 1 || return
stop_up KILL 137
start_up --hosts 1 || return
stop_up INT 0

expect 0 trellis up --once --data data "$hello"
log=$(echo data/store/log.*)
cp "$log" sound
printf 'X' | dd of="$log" bs=1 seek=$(($(stat -c %s "$log") / 3)) conv=notrunc status=none
trellis up --once --data data >out 2>&1 </dev/null
[ $? -eq 4 ] || fail "damaged store: not exit 4"
grep -q "is damaged at byte [0-9]* .*Restore the directory" out || { fail "damaged store"; cat out >&2; }
[ "$(wc -l <out)" -eq 1 ] || fail "damaged store: not one line"
cp sound "$log"
expect 0 trellis up --once --data data

printf 'store: {plugin: nope}\n' >missing.yaml
show trellis up -c missing.yaml
printf 'store: [\n' >broken.yaml
show trellis up -c broken.yaml
printf 'stare: {}\n' >wrong.yaml
show trellis serve -c wrong.yaml
if [ -f "$build/test-plugins/wrong-major.so" ]; then
    for plugin in wrong-major wrong-magic no-note needs-newer; do
        printf 'plugin_dirs: [%s]\nstore: {plugin: %s}\n' "$build/test-plugins" "$plugin" >abi.yaml
        show trellis up -c abi.yaml
    done
fi

# NATS that is not there: told once, tried on; a signal ends it well.
"$program" serve --nats-url nats://127.0.0.1:1 >out 2>&1 </dev/null &
server=$!
pids+=("$server")
until_ok grep -q "trying again" out
kill -TERM "$server"
wait "$server"
rc=$?
[ "$rc" -eq 0 ] || fail "serve without NATS: exit $rc after SIGTERM"
[ "$(grep -c 'not connected' out)" -eq 1 ] || { fail "not told once"; cat out >&2; }
show trellis app list --nats-url nats://127.0.0.1:1
