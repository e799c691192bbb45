#!/bin/sh
# The full-size comparisons with torchvision, forward and gradients (docs/accuracy.md). Needs torch and torchvision in the interpreter given as
# PARITY_PYTHON, or in the tests' environment.
set -eu
python=${PARITY_PYTHON:-$1/bin/python}
if ! "$python" -c 'import torch, torchvision.ops; torchvision.ops.nms' 2>/dev/null; then
    echo "parity: $python has no torch with torchvision; set PARITY_PYTHON to one that has" >&2
    exit 1
fi
export PYTHONPATH=examples/python/src
"$python" tools/parity.py --arch resnet18 resnet50 resnet101 --classes 2 3 \
    --sizes 512x512 800x800 480x352 97x131 ${PARITY_DEEPLESION:+--deeplesion "$PARITY_DEEPLESION"} --scratch build/parity --markdown
exec "$python" tools/parity_gradients.py --scratch build/parity
