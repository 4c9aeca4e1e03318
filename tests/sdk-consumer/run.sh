#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh CMAKE BUILD_DIR LOADER CC: installs the SDK into a prefix of its own, builds the examples
# there twice (find_package, pkg-config) and has each loaded.
set -eu
cmake=$1 build=$2 loader=$3 cc=$4
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

"$cmake" --install "$build" --component sdk --prefix "$dir/sdk" >"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
export PKG_CONFIG_PATH="$dir/sdk/lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
test "$(pkg-config --variable=abi trellis).0" = "$(pkg-config --modversion trellis)"

try() { # example, its source, its library
    example=$dir/$1
    cp -r "$dir/sdk/share/trellis/examples/$1" "$example"
    echo "--- $1: find_package"
    {
        "$cmake" -G Ninja -S "$example" -B "$example/build" -DCMAKE_PREFIX_PATH="$dir/sdk" \
            -DCMAKE_C_COMPILER="$cc" -DCMAKE_BUILD_TYPE=Debug \
            -DCMAKE_C_FLAGS="-Wall -Wextra -Wconversion -Wno-sign-conversion -Werror -pedantic -std=c11"
        "$cmake" --build "$example/build"
        "$cmake" --install "$example/build" --prefix "$example/target"
    } >"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
    TRELLIS_PLUGIN_DIR="$example/target/lib/trellis/plugins" "$loader" "$1"

    echo "--- $1: pkg-config"
    mkdir "$example/plugins"
    # shellcheck disable=SC2046 # words are meant
    "$cc" -std=c11 -shared -fPIC -fvisibility=hidden $(pkg-config --cflags trellis jansson) \
        "$example/$2" -o "$example/plugins/$3" \
        -Wl,--version-script="$(pkg-config --variable=pluginmap trellis)" -Wl,-z,nodelete,-z,now \
        $(pkg-config --libs jansson)
    TRELLIS_PLUGIN_DIR="$example/plugins" "$loader" "$1"
}
try scaler-bin-pack bin_pack.c bin-pack.so
try policy-owners owners.c policy-owners.so
try extension-tail tail.c extension-tail.so

echo "--- another major is refused"
sed 's/find_package(trellis 0\.[0-9]*/find_package(trellis 9.0/' "$dir/scaler-bin-pack/CMakeLists.txt" >"$dir/list"
mv "$dir/list" "$dir/scaler-bin-pack/CMakeLists.txt"
if "$cmake" -G Ninja -S "$dir/scaler-bin-pack" -B "$dir/build2" -DCMAKE_PREFIX_PATH="$dir/sdk" >"$dir/log" 2>&1; then
    echo "find_package(trellis 9.0) is content with this SDK"
    exit 1
fi
