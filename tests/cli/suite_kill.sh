# shellcheck shell=bash disable=SC2154,SC2094 # run.sh sets them; no file is read and written at once
# SPDX-License-Identifier: Apache-2.0
# kill -9 in the middle of writes loses nothing that was acknowledged; nor does SIGTERM (every fifth).
rounds=${CLI_KILLS:-10}
data=$work/data

# Puts versions of an application until the plane is gone; notes each that was acknowledged.
writer() { # round, writer
    local n=0 app="app-$2"
    while :; do
        n=$((n + 1))
        sed "s/name: hello\$/name: $app/; s/web:1.0.0/web:$1.$2.$n/" "$root/docs/examples/wasm/hello.yaml" >"put-$2.yaml"
        version=$(timeout 20 "$program" app put "put-$2.yaml" -o json 2>/dev/null |
            sed -n 's/.*"version": "\(.*\)".*/\1/p')
        [ -n "$version" ] || return
        echo "$app $version web:$1.$2.$n" >>"acknowledged-$2"
    done
}

for ((round = 1; round <= rounds; round++)); do
    start_up --hosts 1 --data "$data" || return
    before=$(cat acknowledged-* 2>/dev/null | wc -l)
    writers=()
    for w in 1 2; do
        writer "$round" "$w" &
        writers+=($!)
    done
    # Some acknowledged, more under way: now.
    end=$((SECONDS + 60))
    until [ "$(cat acknowledged-* 2>/dev/null | wc -l)" -ge $((before + 2 + round % 3)) ]; do
        [ "$SECONDS" -lt "$end" ] || { fail "nothing is acknowledged"; break; }
    done
    if ((round % 5 == 0)); then
        stop_up TERM 0
    else
        stop_up KILL 137
    fi
    wait "${writers[@]}"
done

start_up --hosts 1 --data "$data" || return
total=0
for w in 1 2; do
    trellis app history "app-$w" -o json >history || fail "app-$w is lost"
    while read -r app version image; do
        total=$((total + 1))
        grep -q "\"$version\"" history || fail "lost: $app $version $image"
    done <"acknowledged-$w"
    # The last one whole.
    read -r app version image < <(tail -n 1 "acknowledged-$w")
    trellis app get "$app" --version "$version" | grep -q "$image" || fail "content of $app $version"
done
stop_up TERM 0
echo "$rounds ends, $total acknowledged versions, all there"
