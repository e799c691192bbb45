#!/bin/sh
# What the shared library shows to the world: its symbols, its name, what it needs, its size, its segments.
# Usage: symbols.sh LIBRARY_FOLDER
. "$(dirname "$0")/shell.sh"
library=${1:?folder of libuldor.so}/libuldor.so
[ -e "$library" ] || { fail "$library is not there"; finish symbols; exit 1; }

declared_functions > "$scratch/declared"
# Capital letters are what other objects can bind to; the linker lists a few local symbols, too.
nm -D --defined-only "$library" | awk '$2 ~ /[B-Zi]/ { print $3 }' | sort > "$scratch/exported"
sed 's/$/@@ULDOR_0/' "$scratch/declared" | sort > "$scratch/expected"
if difference=$(diff "$scratch/expected" "$scratch/exported"); then pass; else
    fail "exported symbols differ from the header's functions (< header, > library): $difference"
fi
# The version node itself may be there as an absolute symbol, where the linker writes one.
absolute=$(nm -D --defined-only "$library" | awk '$2 == "A" { print $3 }')
case $absolute in '' | ULDOR_0 | ULDOR_0@@ULDOR_0) pass ;; *) fail "absolute symbols: $absolute" ;; esac

dynamic=$(readelf -dW "$library")
soname=$(echo "$dynamic" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
abi=$(sed -n 's/^#define ULDOR_ABI_VERSION //p' "$header")
if [ "$soname" = "libuldor.so.$abi" ]; then pass; else fail "SONAME is '$soname', not libuldor.so.$abi"; fi

# Every library it needs is one that a host machine is told to have.
grep -v '^#' "$here/needed.txt" | sort > "$scratch/allowed"
echo "$dynamic" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort > "$scratch/needed"
if extra=$(comm -13 "$scratch/allowed" "$scratch/needed") && [ -z "$extra" ]; then pass; else
    fail "needs what needed.txt does not list: $(echo $extra)"
fi
if grep -qi -e swift -e foundation -e icu "$scratch/needed"; then fail "needs the Swift runtime"; else pass; fi

# $ORIGIN is where a private copy of libomp may lie; anything else would be a path of the machine that built it.
paths=$(echo "$dynamic" | sed -n 's/.*(\(RUNPATH\|RPATH\)).*\[\(.*\)\]/\2/p')
case $paths in '' | '$ORIGIN' | '$ORIGIN/') pass ;; *) fail "run path: $paths" ;; esac

if readelf -lW "$library" | grep GNU_STACK | grep -q 'RWE'; then fail "executable stack"; else pass; fi
if echo "$dynamic" | grep -q TEXTREL; then fail "text relocations"; else pass; fi
# A second thread's dlopen must not find the static TLS space used up by this library.
if echo "$dynamic" | grep -q STATIC_TLS; then fail "static TLS: dlopen can fail in a large host"; else pass; fi
# dlclose must not unmap code that OpenMP's threads still stand in.
if echo "$dynamic" | grep -q NODELETE; then pass; else fail "not linked with -z nodelete"; fi

strip -o "$scratch/stripped.so" "$library"
size=$(stat -c %s "$scratch/stripped.so")
limit=$(grep -v '^#' "$here/size.txt")
if [ "$size" -le "$limit" ]; then pass; else fail "stripped it has $size bytes, more than the $limit of size.txt"; fi
# No path of the build machine inside, where a reader of the binary would see somebody's home.
if [ -n "$HOME" ] && [ "$HOME" != / ] && strings "$scratch/stripped.so" | grep -q "^$HOME/"; then
    fail "contains paths below $HOME"
else
    pass
fi
finish symbols
