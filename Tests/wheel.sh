#!/bin/sh
# `make wheel`, installed into an environment of its own: the README's Python example runs with nothing but numpy beside it.
# Ends with "N passed, N failed".
set -u
cd "$(dirname "$0")/.." || exit 2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
passed=0 failed=0
check() { # check TEXT COMMAND...
    text=$1
    shift
    if "$@" >"$scratch/log" 2>&1; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAIL $text"; tail -5 "$scratch/log"; fi
}
rm -rf dist
check "make wheel" make --no-print-directory wheel
check "one wheel in dist/" sh -c "test $(ls dist/*.whl 2>/dev/null | wc -l) = 1"
check "environment" "${PYTHON:-python3}" -m venv "$scratch/venv"
check "pip install" "$scratch/venv/bin/pip" --quiet install dist/*.whl
sed -n '/^```python$/,/^```$/p' README.md | sed '/^```/d' > "$scratch/readme.py"
cp share/uldor-demo.safetensors "$scratch/weights.safetensors"
"${VENV:-.venv}/bin/python" - "$scratch/ct.npy" <<'EOF'
import sys
import numpy
sys.path.insert(0, "tools")
import phantom
numpy.save(sys.argv[1], phantom.draw((7, 0)).volume_hu)
EOF
check "the README's Python example" sh -c "cd '$scratch' && env -u PYTHONPATH -u ULDOR_LIBRARY venv/bin/python readme.py > found"
check "it found something" grep -q mm "$scratch/found"
echo "wheel: $passed passed, $failed failed"
[ $failed -eq 0 ]
