#!/bin/sh
# The header compiles on its own in every language that a host may use, without a warning.
. "$(dirname "$0")/shell.sh"

cat > "$scratch/alone.c" << 'EOF'
#include <uldor.h>
uldor_status (*used)(uldor_model *) = uldor_model_free; /* an empty translation unit would be a pedantic error */
EOF
cp "$scratch/alone.c" "$scratch/alone.cc"
# Twice, and after the system's headers: the include guard holds and no macro of theirs is in the way.
cat > "$scratch/twice.c" << 'EOF'
#define _GNU_SOURCE
#include <complex.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
#include <uldor.h>
#include <uldor.h>
uldor_status (*used)(uldor_model *) = uldor_model_free;
EOF

warnings="-Wall -Wextra -pedantic -Werror"

compile() { # COMPILER FILE FLAGS...
    compiler=$1 file=$2
    shift 2
    if ! output=$($compiler $warnings "$@" -I "$here/../../include" -fsyntax-only "$file" 2>&1); then
        fail "$compiler $* $(basename "$file"): $output"
    else
        pass
    fi
}

for compiler in gcc clang; do
    command -v $compiler > /dev/null || { skip "no $compiler"; continue; }
    for standard in c99 c11 c17; do
        compile $compiler "$scratch/alone.c" -std=$standard -Wstrict-prototypes -Wmissing-prototypes -Wundef
    done
    compile $compiler "$scratch/twice.c" -std=gnu17
done
for compiler in g++ clang++; do
    command -v $compiler > /dev/null || { skip "no $compiler"; continue; }
    for standard in c++11 c++17 c++20; do
        compile $compiler "$scratch/alone.cc" -std=$standard -Wold-style-cast -Wuseless-cast -Wno-unknown-warning-option
    done
done
for compiler in gcc clang; do
    command -v $compiler > /dev/null || continue
    # Needs the 32-bit C library's headers, which few machines have.
    if echo '#include <stdint.h>' | $compiler -m32 -x c -fsyntax-only - 2> /dev/null; then
        compile $compiler "$scratch/alone.c" -std=c17 -m32
    else
        skip "$compiler -m32: no 32-bit headers"
    fi
done
finish header
