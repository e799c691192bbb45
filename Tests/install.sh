#!/bin/sh
# `make install` into an empty prefix and through DESTDIR; then the prefix is all that a host gets: the C++ example, a C
# program, the README's C example, the tool. Ends with "N passed, N failed".
set -u
cd "$(dirname "$0")/.." || exit 2
prefix=$(mktemp -d) stage=$(mktemp -d)
trap 'rm -rf "$prefix" "$stage"' EXIT
passed=0 failed=0
check() { # check TEXT COMMAND...
    text=$1
    shift
    if "$@" >"$stage/log" 2>&1; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAIL $text"; tail -5 "$stage/log"; fi
}

check "make install PREFIX" make --no-print-directory install PREFIX="$prefix"
check "make install DESTDIR" make --no-print-directory install PREFIX=/usr DESTDIR="$stage/root"
for file in lib/libuldor.so lib/libuldor.so.0 lib/pkgconfig/uldor.pc include/uldor.h bin/uldor share/man/man1/uldor.1 \
    share/uldor/uldor-demo.safetensors; do
    check "$file" test -e "$prefix/$file"
    check "DESTDIR: $file" test -e "$stage/root/usr/$file"
done
check "DESTDIR is not in uldor.pc" sh -c "! grep -q '$stage' '$stage/root/usr/lib/pkgconfig/uldor.pc'"
check "the tool finds its library" sh -c "cd / && env -u LD_LIBRARY_PATH '$prefix/bin/uldor' --version"
check "the tool reads the demo weights" "$prefix/bin/uldor" info "$prefix/share/uldor/uldor-demo.safetensors"

sed -n '/^```c$/,/^```$/p' README.md | sed '/^```/d' > "$stage/readme.c"
PKG_CONFIG_PATH=$prefix/lib/pkgconfig
export PKG_CONFIG_PATH
# shellcheck disable=SC2046 # pkg-config prints words
check "the README's C example compiles" cc -Wall -Wextra -Werror "$stage/readme.c" -o "$stage/readme" $(pkg-config --cflags --libs uldor) -Wl,-rpath,"$prefix/lib"
head -c 524288 /dev/zero > "$stage/empty.raw"
check "the README's C example runs" "$stage/readme" share/uldor-demo.safetensors "$stage/empty.raw"

sh Tests/abi/installed.sh "$prefix" >"$stage/installed" 2>&1
cat "$stage/installed"
line=$(grep -E '[0-9]+ passed, [0-9]+ failed' "$stage/installed" | tail -1)
passed=$((passed + $(echo "${line:-: 0 passed}" | sed 's/.*[^0-9]\([0-9][0-9]*\) passed.*/\1/')))
failed=$((failed + $(echo "${line:-, 1 failed}" | sed 's/.* \([0-9]*\) failed.*/\1/')))
echo "install: $passed passed, $failed failed"
[ $failed -eq 0 ]
