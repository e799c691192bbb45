#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copies libuldor, the OpenMP runtime, libpng and zlib into the Python package, so that a wheel holds all that it needs.
# libuldor has $ORIGIN in its run path and so finds them beside itself; a run path counts for direct needs only, so libpng gets
# one for zlib.
#
#     bundle.sh [DIRECTORY OF libuldor.so.0]        default: build/lib of this checkout
#     bundle.sh --clean                             removes the copies
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
package=$here/src/uldor

rm -f "$package"/*.so* "$package"/LICENSE* "$package"/THIRD_PARTY_NOTICES*
# setuptools collects what an earlier build left here.
rm -rf "$here/build"
if [ "${1-}" = --clean ]; then
    exit 0
fi

library=${1-$root/build/lib}/libuldor.so.0
if [ ! -f "$library" ]; then
    echo "bundle.sh: $library is not there; run make first" >&2
    exit 1
fi
cp -L "$library" "$package/libuldor.so.0"
for name in libomp libpng16 libz; do
    file=$(ldd "$library" | awk -v name="$name.so" 'index($1, name) == 1 { print $3 }')
    if [ ! -f "$file" ]; then
        echo "bundle.sh: the loader does not find the $name.so that $library needs" >&2
        exit 1
    fi
    cp -L "$file" "$package/$(basename "$file")"
done
chmod 755 "$package"/*.so*
patchelf --set-rpath '$ORIGIN' "$package"/libpng16.so*
for notice in "$root"/LICENSE* "$root"/THIRD_PARTY_NOTICES*; do
    if [ -f "$notice" ]; then
        cp "$notice" "$package/"
    fi
done
