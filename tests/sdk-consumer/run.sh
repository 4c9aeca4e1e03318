#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh CMAKE BUILD_DIR LOADER CC: installs the SDK into a prefix of its own, builds the example
# there twice (find_package, pkg-config) and has each loaded.
set -eu
cmake=$1 build=$2 loader=$3 cc=$4
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

"$cmake" --install "$build" --component sdk --prefix "$dir/sdk" >"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
cp -r "$dir/sdk/share/trellis/examples/scaler-bin-pack" "$dir/example"

echo "--- find_package"
{
    "$cmake" -S "$dir/example" -B "$dir/build" -DCMAKE_PREFIX_PATH="$dir/sdk" \
        -DCMAKE_C_COMPILER="$cc" -DCMAKE_BUILD_TYPE=Debug \
        -DCMAKE_C_FLAGS="-Wall -Wextra -Wconversion -Wno-sign-conversion -Werror -pedantic -std=c11"
    "$cmake" --build "$dir/build"
    "$cmake" --install "$dir/build" --prefix "$dir/target"
} >"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
TRELLIS_PLUGIN_DIR="$dir/target/lib/trellis/plugins" "$loader"

echo "--- pkg-config"
export PKG_CONFIG_PATH="$dir/sdk/lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
test "$(pkg-config --variable=abi trellis).0" = "$(pkg-config --modversion trellis)"
mkdir "$dir/plugins"
# shellcheck disable=SC2046 # words are meant
"$cc" -std=c11 -shared -fPIC -fvisibility=hidden $(pkg-config --cflags trellis jansson) \
    "$dir/example/bin_pack.c" -o "$dir/plugins/bin-pack.so" \
    -Wl,--version-script="$(pkg-config --variable=pluginmap trellis)" -Wl,-z,nodelete,-z,now \
    $(pkg-config --libs jansson)
TRELLIS_PLUGIN_DIR="$dir/plugins" "$loader"

echo "--- another major is refused"
sed 's/find_package(trellis 0.1/find_package(trellis 9.0/' "$dir/example/CMakeLists.txt" >"$dir/list"
mv "$dir/list" "$dir/example/CMakeLists.txt"
if "$cmake" -S "$dir/example" -B "$dir/build2" -DCMAKE_PREFIX_PATH="$dir/sdk" >"$dir/log" 2>&1; then
    echo "find_package(trellis 9.0) is content with this SDK"
    exit 1
fi
