#!/bin/sh
# A virtual environment with the engines of `make bench`:  setup.sh DIR
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dir=${1:?usage: setup.sh DIR}
"${PYTHON:-python3}" -m venv "$dir"
echo '*' > "$dir/.gitignore"
"$dir/bin/pip" --quiet install --requirement "$here/requirements.txt"
if ! "$dir/bin/python" -c 'import torch, torchvision; torchvision.ops.nms(torch.zeros(1, 4), torch.ones(1), 0.5)' 2>/dev/null; then
    "$dir/bin/python" "$here/torchvision_stubs.py"
fi
"$dir/bin/python" - <<'PY'
import torch, torchvision
kept = torchvision.ops.nms(torch.tensor([[0, 0, 10, 10.], [1, 1, 10, 10.]]), torch.tensor([.9, .8]), .5)
assert kept.tolist() == [0]
print("bench: torch", torch.__version__, "torchvision", torchvision.__version__)
PY
