#!/bin/sh
# The demo weights from nothing: draws phantoms, trains on them, measures the result on others that it has not seen. The same bytes
# on every processor of the same instruction set, however many threads there are; broken off, it goes on where it was.
#   VENV or PYTHON, DIR (its work: build/weights), OUTPUT; shorter, to try it: COUNT, VALIDATION, EPOCHS, LAST_EPOCHS, THREADS,
#   EVALUATE (options)
set -eu
python=${PYTHON:-${VENV:-.venv}/bin/python} dir=${DIR:-build/weights} output=${OUTPUT:-share/uldor-demo.safetensors}
threads=${THREADS:-$(nproc)}
# numpy's AVX-512 rounds a few pixels of a phantom differently than its AVX2.
export NPY_DISABLE_CPU_FEATURES="X86_V4 AVX512_ICL AVX512_SPR"
mkdir -p "$dir"
# Its tables are written last.
if [ ! -f "$dir/phantoms/phantoms.csv" ]; then
    echo "drawing phantoms: a third of the time"
    "$python" tools/phantom "$dir/phantoms" --count "${COUNT:-1700}" --seed 1000 --split train --validation "${VALIDATION:-100}" \
        --processes "$threads"
fi
# Few lesions a slice: smaller samples of anchors and regions are as good and cost less; so does looking at one image at a time.
build/bin/uldor train --data "$dir/phantoms" --arch narrow --config tools/demo_config.json --out "$dir/first.safetensors" --half \
    --optimiser adamw --lr 1e-3 --lr-schedule cosine --weight-decay 1e-2 --warmup 100 --clip 5 --batch 1 --accumulation 2 \
    --epochs "${EPOCHS:-10}" --patience 0 --calibration-images 64 --rpn-samples 128 --roi-samples 64 --proposals 400 \
    --flip-x 0.5 --scale 0.9,1.1 --threads "$threads" --plot "$dir/curves.png"
export PYTHONPATH=examples/python/src
"$python" tools/finish_demo.py "$dir/phantoms" --init "$dir/first.safetensors" --output "$dir/weights.safetensors" \
    --validation "${VALIDATION:-100}" --epochs "${LAST_EPOCHS:-4}" --threads "$threads"
cp "$dir/weights.safetensors" "$output"
# shellcheck disable=SC2086
"$python" tools/eval_demo.py "$output" ${EVALUATE:-}
