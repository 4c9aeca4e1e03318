#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The layer rule: which room may include which.
set -u
cd "$(dirname "$0")/../.." || exit
declare -A may=(
    [base]="base"
    [codec]="base codec"
    [model]="base codec model"
    [policy]="base codec plug catalog policy"
    [secrets]="base codec plug catalog secrets"
    [lattice]="base codec model lattice"
    [plug]="base codec plug"
    [catalog]="base codec model plug catalog"
    [engine]="base codec model lattice plug catalog policy secrets engine"
    [api]="base codec model lattice plug catalog policy secrets engine api"
    [serve]="base codec plug catalog policy secrets serve"
    [hostwire]="base codec hostwire"
    [sim]="base codec plug hostwire sim"
    [agent]="base codec plug hostwire agent"
    [plane]="base codec model lattice plug catalog policy secrets engine api serve plane"
    [cli]="base codec model lattice plug catalog policy secrets engine api serve plane hostwire sim agent cli"
)
bad=0
for dir in core/*/; do
    room=$(basename "$dir")
    while IFS=: read -r file line text; do
        other=$(sed -E 's/.*"([a-z_]+)\/.*/\1/' <<<"$text")
        [[ " ${may[$room]:-} " == *" $other "* ]] || { echo "$file:$line: $room must not include $other"; bad=1; }
    done < <(grep -nE '^#include "[a-z_]+/' "$dir"*.c "$dir"*.h 2>/dev/null)
done
only() { # pattern, allowed path regex, what
    local hits
    hits=$(grep -rnE "$1" core --include='*.c' --include='*.h' | grep -vE "$2" || true)
    [ -z "$hits" ] || { echo "$3:"; echo "$hits"; bad=1; }
}
only '#include <(jansson|yaml)\.h>' '^core/codec/' 'only codec includes jansson and libyaml'
only '\bdlopen\(' '^core/plug/' 'only plug calls dlopen'
only '#include <(nats/)?nats\.h>' '^$' 'nothing in the core includes nats.h'
only '#include <uv\.h>' '^core/(plug/|plane/socket\.c|cli/serve)' 'libuv stays in plug, the socket and the signals of serve'
hits=$(grep -rnE '^#include "' plugins policy secrets --include='*.c' --include='*.h' | grep -E '"(base|codec|model|lattice|catalog|engine|plug|policy|secrets|api|serve|plane|cli|sim|hostwire|agent)/' || true)
[ -z "$hits" ] || { echo "a plugin includes sdk/include only:"; echo "$hits"; bad=1; }
exit "$bad"
