# shellcheck shell=bash disable=SC2154,SC2094 # run.sh sets them; no file is read and written at once
# SPDX-License-Identifier: Apache-2.0
# Help, usage errors, options in any position.
show trellis --help
for group in app host lattice plugin config; do
    show trellis "$group" --help
done
for command in up serve "app apply" "app plan" "app events" "host inspect" "config check"; do
    # shellcheck disable=SC2086 # words
    show trellis $command --help
done
show trellis help app delete
show trellis --version

show trellis nope
show trellis app nope
show trellis app list --nope
show trellis app list too many
show trellis app status
show trellis app status hello -o xml
show trellis app status hello --wait=soon
show trellis app status hello --timeout 0
show trellis app apply --wait
show trellis app deploy hello --version
show trellis app events --follow=yes
show trellis app status 'a b'
show trellis app list --lattice 'a.b'
show trellis app list --nats-password-env NO_SUCH_VARIABLE
show trellis up --hosts many
expect 2 trellis
expect 2 trellis app
# Nobody serves: every option is understood before that is found out.
show trellis app list --socket "$work/none.sock"
expect 3 trellis --socket "$work/none.sock" -o json app list
expect 3 trellis app --socket="$work/none.sock" list -o yaml
expect 3 trellis app apply --socket "$work/none.sock" --wait "$root/docs/examples/wasm/hello.yaml"
expect 3 trellis app apply "$root/docs/examples/wasm/hello.yaml" --wait=30 --socket "$work/none.sock"
expect 3 trellis app events -f --socket "$work/none.sock"
expect 3 trellis app get hello --version=v1 --socket "$work/none.sock"
expect 3 trellis app get hello --version v1 --socket "$work/none.sock"
