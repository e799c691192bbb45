#!/bin/sh
# The binary interface as text: prototypes, constants, sizes and offsets of every struct, compared with frozen.txt.
# A difference is either a mistake or a new ABI. `frozen.sh --update` writes the file anew: structs may then have grown
# at the end and functions and constants been added; anything else needs a new ULDOR_ABI_VERSION.
. "$(dirname "$0")/shell.sh"
[ "$(uname -m)" = x86_64 ] || { skip "offsets are those of x86-64"; finish frozen; exit; }

{
    # gcc writes each prototype it sees, normalised, one a line.
    gcc -std=c17 -fsyntax-only -aux-info "$scratch/prototypes" "$header"
    sed -n 's|^/\*.*\*/ extern \(.*uldor_.*;\)$|\1|p' "$scratch/prototypes" | sort

    echo '#include <stdio.h>'
    echo '#include <uldor.h>'
    echo 'int main(void) {'
    sed '/^#/d; s|/\*.*\*/||; s|/\*.*||' "$header" | grep -oE '\bULDOR_[A-Z0-9_]+ = ' | sed 's/ = //' |
        sort -u | sed 's/.*/printf("& = %lld\\n", (long long)&);/'
    # Fields: every name before a comma or semicolon inside a struct's braces; comments and types cut off.
    sed 's|/\*.*\*/||; /^ *\/\*/,/\*\//d' "$header" | awk '
        /^typedef struct uldor_[a-z_]* \{/ { name = $3; inside = 1; printf "printf(\"%s: %%zu bytes, alignment %%zu\\n\", sizeof(%s), _Alignof(%s));\n", name, name, name; next }
        /^}/ { inside = 0 }
        inside && /;/ {
            line = $0
            sub(/;.*/, "", line)
            if (match(line, /\(\*[a-z_]+\)/)) fields = substr(line, RSTART + 2, RLENGTH - 3)
            else { fields = line; sub(/\[[0-9]+\]/, "", fields); sub(/^ *(const )?[a-z_0-9]+ +/, "", fields) }
            count = split(fields, list, ",")
            for (i = 1; i <= count; i++) {
                gsub(/const|[* ]/, "", list[i])
                printf "printf(\"%s.%s: %%zu, %%zu bytes\\n\", offsetof(%s, %s), sizeof(((%s *)0)->%s));\n", name, list[i], name, list[i], name, list[i]
            }
        }'
    echo '}'
} > "$scratch/frozen.c"
# Prototypes are text already; the rest becomes text by running it.
sed -n '/^#include <stdio.h>/q; p' "$scratch/frozen.c" > "$scratch/frozen.txt"
sed -n '/^#include <stdio.h>/,$p' "$scratch/frozen.c" > "$scratch/print.c"
gcc -std=c17 -Wall -Werror -I "$here/../../include" "$scratch/print.c" -o "$scratch/print" || fail "the printer does not compile"
"$scratch/print" >> "$scratch/frozen.txt"

# What the extraction above misses would stay unnoticed: count the structs, functions and fields in another way.
structs=$(grep -c '^typedef struct uldor_[a-z_]* {' "$header")
functions=$(declared_functions | wc -l)
if [ "$(grep -c 'bytes, alignment' "$scratch/frozen.txt")" -eq "$structs" ] &&
    [ "$(grep -c ');$' "$scratch/frozen.txt")" -eq "$functions" ]; then pass; else
    fail "finds other than $structs structs and $functions functions"
fi

if [ "$1" = --update ]; then cp "$scratch/frozen.txt" "$here/frozen.txt"; fi
if difference=$(diff "$here/frozen.txt" "$scratch/frozen.txt"); then pass; else
    fail "the binary interface changed (< frozen, > header): $difference"
fi
finish frozen
