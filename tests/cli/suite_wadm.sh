# shellcheck shell=bash disable=SC2154,SC2094 # run.sh sets them; no file is read and written at once
# SPDX-License-Identifier: Apache-2.0
# Started as wadm, or with its flags.
mkdir bin
ln -s "$program" bin/wadm
PATH=$work/bin:$PATH
show wadm --version
show wadm -V
show env WADM_VERSION=v0.22.0 wadm --version
show wadm --help
show wadm --nope
show wadm word
show wadm --nats-seed SU
show wadm --nats-creds-file f --nats-seed a --nats-jwt b
show wadm -d ''
show wadm --max-jobs many
show wadm --cleanup-interval x
show wadm --api-prefix ...
show wadm --stream-persistence disk
show env WADM_TRACING_ENABLED=1 wadm
show env WADM_MULTITENANT= wadm
expect 2 wadm --nats-server
expect 2 wadm --structured-logging=true

serves() { # arguments: starts, waits until it tells of NATS, ends well
    rm -f out # what the one before said is no sign of this one
    "$@" >out 2>&1 </dev/null &
    local server=$! rc
    until_ok test -s out
    pids+=("$server")
    until_ok grep -q "trying again" out
    kill -TERM "$server"
    wait "$server"
    rc=$?
    [ "$rc" -eq 0 ] || { fail "exit $rc after SIGTERM: $*"; cat out >&2; }
}
serves wadm -i h -l -t -e http://x -d dom -j 5 -s 127.0.0.1:1 --state-bucket-name a \
    --manifest-bucket-name b --cleanup-interval 60 --api-prefix wadm.api --stream-prefix p \
    --multitenant --stream-persistence memory --state-bucket-max-bytes=-1 \
    --manifest-bucket-max-bytes=-1 --command-stream-max-bytes=1 --event-stream-max-bytes=1 \
    --event-consumer-stream-max-bytes=1 --status-stream-max-bytes=1 --notify-stream-max-bytes=1 \
    --wasmbus-event-stream-max-bytes=1 --http-admin 127.0.0.1:1
grep -q '^{"time":' out || fail "structured logging"
serves wadm --host-id h --structured-logging --tracing --tracing-endpoint http://x --max-jobs 3 \
    --nats-server nats://127.0.0.1:1
serves env WADM_NATS_SERVER=127.0.0.1:1 WADM_STRUCTURED_LOGGING=false wadm
serves trellis --nats-server 127.0.0.1:1
serves trellis --nats-server=127.0.0.1:1
