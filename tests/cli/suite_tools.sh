# shellcheck shell=bash disable=SC2154,SC2094 # run.sh sets them; no file is read and written at once
# SPDX-License-Identifier: Apache-2.0
# Plugins and configurations.
cat >bad.yaml <<'YAML'
transport:
  plugin: nats
  url: 7
  pending_bytes: -1
store: {plugin: nope}
cleanup_interval: 1
logs: {}
scalers:
  spreadscaler: {x: 1}
YAML
printf 'a: [1\nb: {' >broken.yaml
cat >allow.yaml <<'YAML'
store: {plugin: memory}
plugins:
  allow:
    store-memory: 0123456789012345678901234567890123456789012345678901234567890123
    nats: "12"
YAML
printf 'transport: {plugin: nats, password: hidden-word, user: me}\n' >secret.yaml
show_narrow trellis plugin list
expect 0 trellis plugin list -o json
expect 0 trellis plugin list -o yaml
show trellis plugin inspect "$build/plugins/store-file.so"
show trellis plugin inspect "$build/plugins/store-file.so" -o json
show trellis plugin inspect "$root/README.md"
show trellis plugin inspect "$work/none.so"
show trellis config check
show trellis config check "$root/docs/examples/trellis.yaml"
show trellis config check -c bad.yaml
expect 5 trellis config check bad.yaml -o json
show trellis config check allow.yaml
show trellis config check broken.yaml
show trellis config check none.yaml
show trellis config explain
expect 0 trellis config explain -o json
trellis config explain secret.yaml | grep -q hidden-word && fail "config explain shows a password"
expect 5 trellis config explain --config=bad.yaml
if [ -d "$build/test-plugins" ] && [ -f "$build/test-plugins/wrong-major.so" ]; then
    expect 1 trellis plugin list --plugin-dir "$build/test-plugins"
    show trellis plugin inspect "$build/test-plugins/wrong-major.so"
    show trellis plugin inspect "$build/test-plugins/no-note.so"
fi
