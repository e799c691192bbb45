#!/bin/sh
# The signatures of the @_cdecl functions against the header.
#
# The compiler does not look at uldor.h when it exports a Swift function under a C name, so a wrong parameter would
# compile and then corrupt the host. It does write a C header of what it exported (ULDorC-Swift.h): declaring each
# function twice in one C file, once as there and once as in uldor.h, is an error wherever the two differ.
#
# Swift has one type for all opaque handles, `void *` in its C header, so handles are compared as that.
#
# Usage: drift.sh [ULDorC-Swift.h]   the newest one below .build* where none is given
. "$(dirname "$0")/shell.sh"
generated=${1:-$(find -L "$here"/../../.build*/ "$here"/../../build/ -path '*/ULDorC.build/*' -name ULDorC-Swift.h \
    -printf '%T@ %p\n' 2> /dev/null | sort -rn | head -1 | cut -d' ' -f2-)}
[ -n "$generated" ] && [ -e "$generated" ] || { fail "no ULDorC-Swift.h: build the package first"; finish drift; exit 1; }

# Declarations as Swift wrote them, without the prologue that declares its own types.
grep -E '^SWIFT_EXTERN .*uldor_[a-z0-9_]+\(' "$generated" > "$scratch/swift.h"
# uldor.h with handles as void: their typedefs go, their names become void, with the const that Swift cannot express.
handles=$(sed -n 's/^typedef struct \(uldor_[a-z]*\) \1;$/\1/p' "$header")
sed '/^typedef struct \(uldor_[a-z]*\) \1;$/d' "$header" > "$scratch/header.h"
for handle in $handles; do
    sed -i "s/\(const \)\{0,1\}\b$handle\b \*/void */g" "$scratch/header.h"
done

compile() { # FILE: both sets of declarations in one C file
    {
        echo '#include "header.h"'
        echo '#define SWIFT_EXTERN extern'
        echo '#define SWIFT_NOEXCEPT'
        echo '#define SWIFT_WARN_UNUSED_RESULT'
        echo '#define SWIFT_DEPRECATED_MSG(...)'
        # Swift's Int and UInt: size_t is imported as Int.
        echo '#define NSInteger size_t'
        echo '#define NSUInteger size_t'
        cat "$1"
    } > "$scratch/both.c"
    clang -std=c17 -Wall -Werror -Wno-nullability-completeness -I "$scratch" -fsyntax-only "$scratch/both.c" 2>&1
}

if output=$(compile "$scratch/swift.h"); then pass; else fail "signatures differ: $output"; fi

# A function that is missing on one side would compare equal to nothing.
grep -oE 'uldor_[a-z0-9_]+\(' "$scratch/swift.h" | tr -d '(' | sort > "$scratch/implemented"
declared_functions > "$scratch/declared"
if difference=$(diff "$scratch/declared" "$scratch/implemented"); then pass; else
    fail "functions differ (< header, > Swift): $difference"
fi

# The comparison itself: each of these mistakes must be seen.
mistake() { # DESCRIPTION SED_EXPRESSION
    sed "$2" "$scratch/swift.h" > "$scratch/mistaken.h"
    if cmp -s "$scratch/swift.h" "$scratch/mistaken.h"; then
        fail "self-test '$1' changes nothing: adapt its expression"
    elif compile "$scratch/mistaken.h" > /dev/null; then
        fail "self-test '$1' is not noticed"
    else
        pass
    fi
}
mistake "narrower integer" '/uldor_session_forward(/s/int32_t/int16_t/'
mistake "size for int32_t" '/uldor_session_forward(/s/int32_t/NSInteger/'
mistake "double for float" '/uldor_session_forward(/s/float const/double const/'
mistake "parameter missing" '/uldor_result_get_mask(/s/, [^,]*)/)/'
mistake "other struct" '/uldor_session_create(/s/uldor_session_options/uldor_model_options/'
mistake "const lost" '/uldor_session_forward(/s/float const/float/'
mistake "one pointer less" '/uldor_model_load_file(/s/void \* _Nullable \* _Nullable/void * _Nullable/'
mistake "other return type" '/uldor_version(/s/int32_t/int64_t/'
finish drift
