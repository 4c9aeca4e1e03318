# shellcheck shell=bash disable=SC2154,SC2094 # run.sh sets them; no file is read and written at once
# SPDX-License-Identifier: Apache-2.0
# Applications and hosts of a real control plane with three simulated hosts.
cp "$root/docs/examples/wasm/hello.yaml" hello.yaml
sed 's/instances: 3/instances: 5/; s/web:1.0.0/web:1.1.0/' hello.yaml >hello2.yaml
cat >bad.yaml <<'YAML'
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: bad
  annotations: {}
spec:
  components:
    - name: web
      type: nonsense
    - name: web
      type: component
      properties:
        image: registry.example/web:1
      traits:
        - type: spreadscaler
          properties:
            instances: many
YAML
printf 'spec: [\n' >broken.yaml

show trellis app validate hello.yaml
show trellis app validate bad.yaml
show trellis app validate bad.yaml -o json
show trellis app validate broken.yaml
show trellis app validate none.yaml

start_up --memory --hosts 3 || return
three() { [ "$(trellis host list | grep -c ' ready ')" -eq 3 ]; }
until_ok three
show trellis app list
show trellis app list -o json
show trellis app plan hello.yaml
show trellis app put hello.yaml
show trellis app put hello.yaml -o json
show trellis app put bad.yaml
show trellis app status hello
expect 0 trellis app apply hello.yaml --wait
show trellis app status hello
show trellis app status hello -o yaml
show trellis app status --wait hello
show trellis app list
show trellis app plan hello.yaml
show trellis app plan hello2.yaml
expect 1 trellis app plan hello2.yaml -o json
expect 0 trellis app apply --wait=60 hello2.yaml
show trellis app history hello
show trellis app history hello -o json
show trellis app get hello
expect 0 trellis app get hello -o json
expect 0 trellis app rollback hello --wait
show trellis app status hello
show trellis app plan hello --undeploy
show trellis app apply bad.yaml
show trellis app status nobody
show trellis app status nobody --wait
show trellis app get nobody
show trellis app deploy nobody
show trellis app rollback nobody
show trellis app delete nobody
show trellis app get hello --version v9
show trellis app list -x other
show_narrow trellis host list
show trellis host list -o yaml
host=$(trellis host list -o json | sed -n 's/.*"name": "\(.*\)".*/\1/p' | sort | head -1)
show trellis host inspect "$host"
expect 0 trellis host inspect "$host" -o json
show trellis host inspect nobody
show trellis lattice list
expect 0 trellis lattice list -o json
# Times of answers differ: the set of events counts.
# Whether the configs were read by then decides about their reason.
trellis app events hello | mask | sed 's/(wanted by this deploy)/(it does not exist)/' | sort -u >events
printf '$ trellis app events hello | sort -u\n%s\n\n' "$(grep -v status_changed events)" >>"$shown"
[ "$(trellis app events -o json | head -1 | cut -c1-7)" = '{"seq":' ] || fail "events -o json: one object a line"
expect 0 trellis app undeploy hello --wait
show trellis app status hello
show trellis app delete hello --wait -o json
show trellis app list
show trellis app plan hello.yaml
# What stands in a manifest does not reach the terminal as control characters.
cat >rude.yaml <<'END'
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {name: rude, annotations: {version: "a\e[31mb\nc\x9b31m", description: "d\e]0;title\a"}}
spec:
  components:
    - name: "w\e[2Jx"
      type: component
      properties: {image: "reg/\e[5mweb:1"}
      traits: [{type: spreadscaler, properties: {instances: 1}}, {type: "t\e[31m", properties: {}}]
END
for words in "validate rude.yaml" "plan rude.yaml" "apply rude.yaml" "list" "status rude" "history rude" "get rude" \
    "events rude" "put rude.yaml" "undeploy rude --wait" "delete rude"; do
    # shellcheck disable=SC2086 # words
    trellis app $words >out 2>&1 </dev/null
    LC_ALL=C grep -q $'\033\|\a\|\302\233' out && { fail "control characters: app $words"; cat -v out >&2; }
done
# Who reads no more, as head does, ends the program, without a word; a full disk is told.
mkfifo gone
exec 7<>gone 8>gone 7>&-
trellis app list >&8 2>out
rc=$?
exec 8>&-
if [ "$rc" -ne 141 ] || [ -s out ]; then
    fail "nobody reads: exit $rc"
    cat out >&2
fi
trellis app list >/dev/full 2>out
rc=$?
if [ "$rc" -ne 4 ] || ! grep -q "cannot write" out; then
    fail "a full disk: exit $rc"
fi
expect 2 trellis app list --nats-url=
# On no terminal there are no colours and nothing is redrawn.
trellis app apply hello.yaml --wait | grep -q $'\033' && fail "escapes on a pipe"
# On a terminal there are, and the tree is redrawn in place; NO_COLOR leaves the redrawing only.
if command -v script >/dev/null; then
    terminal() { TERM=xterm script -qec "$1" /dev/null </dev/null; }
    terminal "trellis app list" | grep -q $'\033\\[32m' || fail "no colours on a terminal"
    trellis app undeploy hello --wait >/dev/null
    NO_COLOR=1 terminal "trellis app apply hello.yaml --wait" >out
    grep -q $'\033\\[[0-9]*A' out || { fail "not redrawn in place"; cat -v out >&2; }
    grep -q $'\033\\[[0-9]*m' out && fail "colours in spite of NO_COLOR"
fi
stop_up TERM 0
