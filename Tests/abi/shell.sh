# shell.sh - what the scripts share: cases that pass or fail, and the line that the driver adds up
passed=0 failed=0

# Each case ends in one of these three.
fail() {
    echo "$0: $*"
    failed=$((failed + 1))
}
pass() { passed=$((passed + 1)); }
skip() { echo "$0: skipped: $*"; }
finish() {
    echo "$1: $passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}

here=$(cd "$(dirname "$0")" && pwd)
header=$here/../../include/uldor.h
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Names of the functions that the header declares.
declared_functions() {
    awk '/^ULDOR_API/ { if (match($0, /uldor_[a-z0-9_]+\(/)) print substr($0, RSTART, RLENGTH - 1) }' "$header" | sort
}
