#!/bin/sh
# The library on processors without AVX2, in an emulator: it loads, says "portable", and finds what it finds here; AVX2 and
# AVX-512 are refused, and AVX-512 also where there is AVX2 alone.
# Usage: old_cpu.sh FOLDER_OF_PROGRAMS
. "$(dirname "$0")/shell.sh"
program=${1:?folder of the built programs}/small
if ! command -v qemu-x86_64 > /dev/null; then
    skip "no qemu-x86_64"
    finish old_cpu
    exit
fi

"$program" portable > "$scratch/native" || fail "the native run: $(cat "$scratch/native")"

# Numbers may differ by the rounding of the C library's functions, which choose their code by processor, too.
close() { # EXPECTED ACTUAL
    awk -v limit=1e-4 '
        FNR == NR { expected[FNR] = $0; next }
        { n = split(expected[FNR], a, " "); m = split($0, b, " "); if (n != m) bad = 1
          for (i = 1; i <= n; i++) { d = a[i] - b[i]; if (d < 0) d = -d
            if (a[i] + 0 != a[i] ? a[i] != b[i] : d > limit * (1 + (a[i] < 0 ? -a[i] : a[i]))) bad = 1 } }
        END { exit bad || FNR != length(expected) }' "$1" "$2"
}

for cpu in kvm64 core2duo Nehalem SandyBridge Opteron_G3 max; do
    # OpenMP may look at the processor's description; one thread is all that is asked for.
    if ! timeout 300 qemu-x86_64 -cpu $cpu "$program" best > "$scratch/$cpu" 2> "$scratch/$cpu.err"; then
        fail "$cpu: $(grep -v "doesn't support requested feature" "$scratch/$cpu.err" | head -3) $(cat "$scratch/$cpu")"
        continue
    fi
    instructions=$(sed -n 's/^instructions //p' "$scratch/$cpu")
    if [ $cpu != max ] && [ "$instructions" != portable ]; then
        fail "$cpu: instructions '$instructions', not portable"
    elif [ $cpu != max ] && cmp -s "$scratch/native" "$scratch/$cpu"; then
        pass # the same bits
    elif tail -n +2 "$scratch/$cpu" > "$scratch/a" && tail -n +2 "$scratch/native" > "$scratch/b" &&
        close "$scratch/b" "$scratch/a"; then
        pass
        echo "$0: $cpu ($instructions) differs from the native portable run in the last digits"
    else
        fail "$cpu ($instructions): $(diff "$scratch/native" "$scratch/$cpu" | head -8)"
    fi
done

refused() { # CPU INSTRUCTIONS NUMBER
    said=$(timeout 300 qemu-x86_64 -cpu "$1" "$program" "$2" 2> "$scratch/err")
    case $said in
    "unsupported: "*"instructions is $3"*) pass ;;
    *) fail "$1: instructions $2 were not refused: $said $(grep -v "doesn't support requested feature" "$scratch/err" | head -3)" ;;
    esac
}
for cpu in kvm64 Nehalem SandyBridge; do
    refused $cpu avx2 2
    refused $cpu avx512 3
done
refused max,-avx512f avx512 3
# AVX2 without fused multiply-add is not what the kernels are compiled for.
refused max,-fma avx2 2
finish old_cpu
