#!/bin/sh
# Runs every suite and ends with "N passed, N failed, N skipped". Called by `make test`, which has built what they need.
# ONLY="swift abi" runs some of them; Tests/abi/Makefile has an ONLY of its own.
set -u
cd "$(dirname "$0")/.." || exit 2
VENV=${VENV:-.venv}
SWIFT=${SWIFT:-swift}
suites=${ONLY:-swift abi asan cli python wheel install}
total_passed=0 total_failed=0 total_skipped=0
log=$(mktemp) building=
trap 'kill $building 2>/dev/null; rm -f "$log"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# count NAME STATUS PASSED FAILED SKIPPED: a suite that fails without saying so counts as one failure.
count() {
    name=$1 status=$2 passed=${3:-0} failed=${4:-0} skipped=${5:-0}
    [ "$status" -ne 0 ] && [ "${failed:-0}" -eq 0 ] && failed=1
    echo "== $name: $passed passed, $failed failed, $skipped skipped ($(($(date +%s) - started)) s)"
    total_passed=$((total_passed + passed)) total_failed=$((total_failed + failed)) total_skipped=$((total_skipped + skipped))
}

run_swift() {
    SWIFT_BACKTRACE=enable=no $SWIFT test >"$log" 2>&1
    status=$?
    grep -E "^✘|error:" "$log"
    [ $status -eq 0 ] || tail -20 "$log"
    tests=$(sed -n 's/.*Test run with \([0-9]*\) tests.*/\1/p' "$log" | tail -1)
    failed=$(grep -cE '^✘ Test [^r].* failed after' "$log")
    count swift $status $((${tests:-0} - failed)) "$failed"
}

# run_counted NAME COMMAND...: a suite whose last count is "N passed, N failed".
run_counted() {
    name=$1
    shift
    "$@" >"$log" 2>&1
    status=$?
    cat "$log"
    line=$(grep -E '[0-9]+ passed, [0-9]+ failed' "$log" | tail -1)
    count "$name" $status "$(echo "$line" | sed -n 's/.*[^0-9]\([0-9][0-9]*\) passed.*/\1/p')" \
        "$(echo "$line" | sed -n 's/.* \([0-9]*\) failed.*/\1/p')"
}

run_pytest() {
    name=$1
    shift
    "$VENV/bin/python" -m pytest -q -p no:cacheprovider "$@" >"$log" 2>&1
    status=$?
    [ $status -eq 0 ] && tail -3 "$log" || cat "$log"
    line=$(tail -1 "$log")
    part() { echo "$line" | grep -oE "[0-9]+ $1" | grep -oE '[0-9]+' | head -1; }
    failures=$(part failed) errors=$(part error)
    count "$name" $status "$(part passed)" $((${failures:-0} + ${errors:-0})) "$(part skipped)"
}

for suite in $suites; do
    started=$(date +%s)
    echo "== $suite"
    case $suite in
    swift)
        # Meanwhile, as both are mostly one compiler: the sanitized library. Its errors are told by its suite.
        case " $suites " in *" asan "*) make --no-print-directory asan >/dev/null 2>&1 & building=$! ;; esac
        run_swift
        wait
        building= ;;
    abi) run_counted abi make --no-print-directory -C Tests/abi check LIB=../../build/lib ONLY= ;;
    asan)
        if make --no-print-directory asan >"$log" 2>&1; then
            run_counted asan make --no-print-directory -C Tests/abi check-asan LIB=../../build/asan ONLY=
        else
            tail -30 "$log"
            count asan 1
        fi ;;
    cli) run_pytest cli Tests/cli ;;
    python) run_pytest python Tests/python ;;
    wheel) run_counted wheel sh Tests/wheel.sh ;;
    install) run_counted install sh Tests/install.sh ;;
    *) echo "no suite $suite" && exit 2 ;;
    esac
done
echo "$total_passed passed, $total_failed failed, $total_skipped skipped"
[ $total_failed -eq 0 ]
