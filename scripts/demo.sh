#!/bin/sh
# Draws a phantom that the demo weights have not seen, finds its lesions, and writes build/demo/overlay.png.
set -eu
out=build/demo
rm -rf "$out" && mkdir -p "$out"
"${VENV:-.venv}/bin/python" tools/phantom "$out" --count 1 --seed "${SEED:-7}"
image=$(sed -n '2s/,.*//p' "$out/DL_info.csv" | sed 's|_\([0-9]*\.png\)$|/\1|')
build/bin/uldor detect --weights share/uldor-demo.safetensors --info "$out/DL_info.csv" \
    --json "$out/findings.json" --overlay "$out/overlay.png" "$out/Images_png/$image"
echo "overlay: $out/overlay.png   findings: $out/findings.json"
