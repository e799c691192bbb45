#!/bin/sh
# An installed prefix is all that a host needs: header, pkg-config file, library under its SONAME, and the C++ example
# and a C program built and run with them.
# Usage: installed.sh PREFIX [WEIGHTS]
. "$(dirname "$0")/shell.sh"
prefix=${1:?installation prefix}
weights=$(realpath "${2:-$here/../fixtures/tiny_2class.safetensors}")
prefix=$(realpath "$prefix")

# Hosts differ in where they put libraries; the pkg-config file knows.
pc=$(find "$prefix" -name uldor.pc | head -1)
[ -n "$pc" ] || { fail "no uldor.pc below $prefix"; finish installed; exit 1; }
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH
unset LD_LIBRARY_PATH LIBRARY_PATH CPATH C_INCLUDE_PATH CPLUS_INCLUDE_PATH

version=$(awk '/^#define ULDOR_VERSION_(MAJOR|MINOR|PATCH)/ { v = v (v == "" ? "" : ".") $3 } END { print v }' "$header")
if [ "$(pkg-config --modversion uldor)" = "$version" ]; then pass; else
    fail "uldor.pc says version $(pkg-config --modversion uldor), uldor.h $version"
fi
library_folder=$(pkg-config --variable=libdir uldor)
include_folder=$(pkg-config --variable=includedir uldor)
case $library_folder$include_folder in "$prefix"/*"$prefix"/*) pass ;; *) fail "uldor.pc points outside the prefix" ;; esac
if pkg-config --cflags --libs uldor | grep -q -e /opt -e llvm -e swift; then
    fail "uldor.pc shows the build's own folders: $(pkg-config --cflags --libs uldor)"
else
    pass
fi
if cmp -s "$header" "$include_folder/uldor.h"; then pass; else fail "the installed uldor.h is another one"; fi
abi=$(sed -n 's/^#define ULDOR_ABI_VERSION //p' "$header")
if [ -L "$library_folder/libuldor.so" ] && [ -e "$library_folder/libuldor.so.$abi" ]; then pass; else
    fail "libuldor.so is no link to libuldor.so.$abi..."
fi
if [ -n "$(ldd "$library_folder/libuldor.so" 2>&1 | grep 'not found')" ]; then
    fail "the installed library does not find $(ldd "$library_folder/libuldor.so" | grep 'not found')"
else
    pass
fi

cat > "$scratch/ten.c" << 'EOF'
#include <stdio.h>
#include <uldor.h>
int main(int count, char **arguments) {
    uldor_model *model;
    if (count < 2 || uldor_model_load_file(arguments[1], NULL, &model) < 0) return printf("%s\n", uldor_last_error()), 1;
    printf("version %06x, interface %d\n", (unsigned)uldor_version(), uldor_abi_version());
    return uldor_model_free(model) < 0 || uldor_abi_version() != ULDOR_ABI_VERSION;
}
EOF
if output=$(cc -std=c99 -Wall -Wextra -pedantic -Werror $(pkg-config --cflags uldor) "$scratch/ten.c" \
    $(pkg-config --libs uldor) -o "$scratch/ten" 2>&1); then pass; else fail "the C program: $output"; fi
# The prefix's library folder is the one thing that the loader is told.
if output=$(LD_LIBRARY_PATH=$library_folder "$scratch/ten" "$weights" 2>&1); then pass; else
    fail "the C program: $output"
fi

if output=$(make -s -C "$here/../../examples/cpp" BUILD="$scratch" CXX=g++ CXXFLAGS="-O1 -Werror" 2>&1); then pass; else
    fail "examples/cpp: $output"
fi
if output=$(LD_LIBRARY_PATH=$library_folder timeout 120 "$scratch/pacs_host" "$weights" 2>&1); then pass; else
    fail "pacs_host: $output"
fi
case $output in *"ULDOR_ERROR_CANCELLED"*"study A: "*" findings"*) pass ;; *) fail "pacs_host says: $output" ;; esac
# Its failures are told, too: no weights, and a file that is none.
if output=$(LD_LIBRARY_PATH=$library_folder "$scratch/pacs_host" /nowhere 2>&1); then
    fail "pacs_host runs without weights"
else
    case $output in *"/nowhere"*) pass ;; *) fail "pacs_host does not name the file: $output" ;; esac
fi
if output=$(LD_LIBRARY_PATH=$library_folder timeout 300 "$scratch/archive_training" "$scratch/archive.safetensors" 2 2>&1); then
    pass
else
    fail "archive_training: $output"
fi
case $output in *"12 images, 8 of them to train on"*"cancelled"*"epoch 2/2"*" findings"*) pass ;; *)
    fail "archive_training says: $output" ;;
esac
# Where the weights cannot be written, it is told before the first step.
if output=$(LD_LIBRARY_PATH=$library_folder "$scratch/archive_training" /nowhere/w.safetensors 2>&1); then
    fail "archive_training writes nowhere"
else
    case $output in *epoch*) fail "archive_training trains for nothing: $output" ;; *"/nowhere"*) pass ;; *)
        fail "archive_training does not name the file: $output" ;;
    esac
fi
# The same sources with clang, and as C++20.
if command -v clang++ > /dev/null; then
    for program in pacs_host archive_training; do
        if output=$(clang++ -std=c++20 -Wall -Wextra -Wpedantic -Werror -fsyntax-only $(pkg-config --cflags uldor) \
            "$here/../../examples/cpp/$program.cpp" 2>&1); then pass; else fail "clang++: $output"; fi
    done
fi
finish installed
