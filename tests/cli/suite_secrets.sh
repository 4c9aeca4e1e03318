# shellcheck shell=bash disable=SC2154,SC2016,SC2094 # run.sh sets them; $ belongs to the workload's script
# SPDX-License-Identifier: Apache-2.0
# Secrets of processes under `trellis up`, as people use them: put, read, rotated, kept over a
# kill -9; and the proof of silence: their bytes are nowhere but where they belong.
invent() { head -c 4096 /dev/urandom | tr -dc A-Za-z0-9 | head -c 48; }
sum() { printf %s "$1" | sha256sum | cut -c1-64; }
declare -a values
for i in 0 1 2 3; do
    values[i]=$(invent)
done

cat >app.sh <<'SH'
#!/bin/sh
tell() { echo "$1 $$ db $(sha256sum <"$TRELLIS_SECRET_DB_FILE") key $(sha256sum <"$TRELLIS_SECRET_API_KEY_FILE")"; }
trap 'exit 0' TERM
trap 'tell again' HUP
echo "in $TRELLIS_SECRETS_DIR"
tell first
while :; do
    sleep 600 &
    wait $!
done
SH
chmod +x app.sh
cat >app.yaml <<'YAML'
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: shop
  annotations:
    version: "1"
    trellis.dev/on-change.db: hot
    trellis.dev/on-change.api-key: roll
spec:
  policies:
    - name: local
      type: policy.secret.wasmcloud.dev/v1alpha1
      properties: { backend: local }
  components:
    - name: web
      type: component
      properties:
        image: file://./app.sh
        secrets:
          - { name: db, properties: { policy: local, key: db } }
          - { name: api-key, properties: { policy: local, key: keys/api } }
      traits:
        - { type: spreadscaler, properties: { instances: 2 } }
        - { type: process, properties: { reload: SIGHUP } }
YAML

said() { "$program" app logs shop >logs && grep -q "$1" logs; }
pids() { "$program" app top shop | awk '/ready/ { print $4 }' | sort; }
two_others() { [ "$(pids | wc -l)" = 2 ] && [ -z "$(comm -12 <(pids) before)" ]; }
deployed() { "$program" app status shop | grep -q '2/2'; }

# Where there are none: the deploy is refused, and nothing runs.
expect 5 trellis secret put local db </dev/null
expect 2 trellis secret put vault db </dev/null
start_up --processes --http off || return
expect 1 trellis app apply app.yaml
grep -q 'secret db' out || fail "the text does not name the secret"
printf %s "${values[0]}" | "$program" secret put local db >/dev/null || fail "put db"
printf %s "${values[1]}" | "$program" secret put local keys/api >/dev/null || fail "put keys/api"
[ "$("$program" secret list local | sort | tr '\n' ' ')" = 'db keys/api ' ] || fail "list"
expect 0 trellis app apply app.yaml --wait
until_ok said "first [0-9]* db $(sum "${values[0]}") *- key $(sum "${values[1]}")"

# hot: the same processes have the new value, and were told.
pids >before
printf %s "${values[2]}" | "$program" secret put local db >/dev/null || fail "put db again"
until_ok said "again [0-9]* db $(sum "${values[2]}")"
pids | diff before - >&2 || fail "a hot rotation restarts nothing"

# kill -9: they run on, with their files; the next one takes them over.
kill -9 "$up"
wait "$up" 2>/dev/null
up=
start_up --processes --http off || return
until_ok deployed
pids | diff before - >&2 || fail "the next life restarts nothing"
printf %s "${values[3]}" | "$program" secret put local keys/api >/dev/null || fail "put keys/api again"
until_ok two_others # roll
until_ok said "first [0-9]* db $(sum "${values[2]}") *- key $(sum "${values[3]}")"
until_ok deployed

# Silence. What they may be in: the backend's directory, and the files of those who run.
ps axwwe -o pid,args >ps.txt
for p in $(pids) "$up" $(pgrep -f "trellis-keeper $work"); do
    tr '\0' '\n' <"/proc/$p/environ" >"environ.$p"
done
cp "$work/up.log" up.txt
for value in "${values[@]}"; do
    for form in "$value" "$(printf %s "$value" | base64 -w0)" "$(printf %s "$value" | od -An -tx1 | tr -d ' \n')"; do
        found=$(grep -rlF -- "$form" ps.txt environ.* logs up.txt "$work/run" "$work/state" | grep -v '/default.secrets/')
        [ -z "$found" ] || fail "a secret is in $found"
    done
done
grep -rqF -- "${values[3]}" "$work/state/trellis/default.secrets" || fail "they are found where they are"
looked=(environ.*)
[ "${#looked[@]}" -ge 5 ] || fail "five processes were looked at"
place=$(sed -n 's/.* in \(\/.*\)/\1/p' logs | tail -n 1)
case $(stat -f -c %T "$place") in
    tmpfs | ramfs) ;;
    *) fail "$place is no tmpfs" ;;
esac
[ "$(stat -c %a "$place/db" "$place/api-key" | sort -u)" = 400 ] || fail "modes in $place"
stop_up INT 0
[ ! -e "${place%/*}" ] || fail "$place is left"
