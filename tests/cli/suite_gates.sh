# shellcheck shell=bash disable=SC2154 # run.sh sets them
# SPDX-License-Identifier: Apache-2.0
# What is wrong with the blocks `policy`, `secrets` and `host_services`: in the file, as `config
# check` tells it; and in the files it names, which are read when the server starts, and refuse that.
cat >chains.yaml <<'YAML'
policy:
  backends:
    house: { plugin: rules, file: rules.yaml }
    both: { plugin: rules, file: rules.yaml, rules: [] }
    typo: { plugin: rules, fiel: rules.yaml }
  all: [ house, { use: hause } ]
  put: [ hause, { use: house, on_error: maybe } ]
  deploy: [ { use: house, timeout_ms: 0 }, 7 ]
  host: [ both, typo ]
  delete: [ house ]
  audit: { days: 0 }
YAML
cat >secrets.yaml <<'YAML'
secrets:
  a.b: { plugin: file, dir: . }
  prod: { plugin: file }
  none: { dir: . }
  vault: { plugin: env, timeout_ms: soon }
  gone: { plugin: hashicorp }
YAML
cat >services.yaml <<'YAML'
host_services:
  policy: { topic: "wasm cloud.policy", changes_topic: wasmcloud.> }
  secrets: { topic: wasmcloud..secrets }
YAML
printf 'policy: [ house ]\nsecrets: file\nhost_services: { policy: wasmcloud.policy }\n' >shapes.yaml
cat >rules.yaml <<'YAML'
rules:
  - name: ours
    match:
      image: {registy: "*.example"}
    verdict: deny
YAML
printf 'policy:\n  all: [ { plugin: rules, file: rules.yaml } ]\n' >faulty.yaml
printf 'policy:\n  all: [ { plugin: rules, file: none.yaml } ]\n' >norules.yaml
for file in seed:none.seed others:others.seed empty:empty.seed; do
    printf 'secrets: { prod: env }\nhost_services: { secrets: { topic: wasmcloud.secrets, xkey_seed_file: %s } }\n' \
        "${file#*:}" >"${file%:*}.yaml"
done
printf 'SX\n' >others.seed
chmod 644 others.seed
(umask 077 && : >empty.seed)
mkdir -m 755 open
printf x >open/db
printf 'secrets: { prod: { plugin: file, dir: gone } }\n' >nodir.yaml

for bad in chains secrets services shapes; do
    show_narrow trellis config check $bad.yaml
done
for bad in faulty norules seed others empty nodir; do
    expect 0 trellis config check $bad.yaml
    show trellis up --memory --hosts 0 --http off -c $bad.yaml
done
