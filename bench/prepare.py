#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the files that the engines read: weights, inputs, torchvision's results, graphs. What is there already is left alone.

    prepare.py PLAN    (JSON: {"references": [512], "inputs": [384], "graphs": [[512, 100, false]], ...})

A process of its own, because it needs torch and much memory; the driver stays small.
"""
from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, Dict, Iterator

import numpy as np
import torch

from configuration import ANY_SIZE, ARCHITECTURE, CLASSES, DATA, DETECTIONS, ROOT, SCORE_THRESHOLD, SEED
from configuration import graph, intermediate, reference, slice_png, tensor, volume, weights

for folder in (ROOT / "tools", ROOT / "examples" / "python" / "src"):
    sys.path.insert(0, str(folder))
import parity_reference  # noqa: E402
from synthetic_slice import ct_like  # noqa: E402

FEW = 5
#: How far the fifth and the sixth score must be apart for a threshold between them to mean the same to every engine.
GAP = 1e-3
VOLUME_SLICES = 64


def hounsfield(image: np.ndarray) -> np.ndarray:
    """The input section of the configuration undone: -50..205 to -1024..3071 HU."""
    return np.round((image + 50) / 255 * 4095 - 1024).astype(np.int16)


def make_reference(size: int) -> None:
    """An input on which torchvision in float32 agrees with itself in float64 (docs/accuracy.md says why), and what it finds."""
    candidates = parity_reference.synthetic(f"{size}x{size}", SEED)
    while True:
        name, image, arrays = parity_reference.reference(weights(), candidates)
        scores = arrays["scores"]
        if len(scores) == DETECTIONS and scores[FEW - 1] - scores[FEW] > GAP:
            break
    np.save(tensor(size), image)
    kept = {key: arrays[key] for key in ("boxes", "scores", "labels", "masks28")}
    np.savez(reference(size), **kept, proposals=len(arrays["proposals"]), name=name,
             threshold_5=(float(scores[FEW - 1]) + float(scores[FEW])) / 2)
    # The stages' outputs are half a gigabyte that only parity needs.
    for stored in DATA.glob(f"{weights().stem}_{size}x{size} *.npz"):
        stored.unlink()


def make_graph(size: int, detections: int, pasted: bool) -> None:
    """Exports the folded model: one graph from tensor to detections."""
    import torchvision.models.detection.transform as transform

    from engines.torchvision import fold_batch_norm, load

    threshold = SCORE_THRESHOLD if detections == DETECTIONS else float(np.load(reference(size))["threshold_5"])
    model = load(threshold)
    fold_batch_norm(model.backbone)
    pasting = transform.paste_masks_in_image
    if not pasted:
        transform.paste_masks_in_image = lambda masks, *_: masks
    free: Dict[str, Any] = {"dynamic_axes": {"image": {1: "height", 2: "width"}}} if size == ANY_SIZE else {}
    path = graph(size, detections, pasted)
    try:
        torch.onnx.export(model, ([torch.from_numpy(np.load(tensor(size or 512)))],), str(path.with_suffix(".new")),
                          input_names=["image"], output_names=["boxes", "labels", "scores", "masks"], opset_version=17,
                          dynamo=False, **free)
        path.with_suffix(".new").rename(path)
    finally:
        transform.paste_masks_in_image = pasting


def make_intermediate(size: int, detections: int) -> None:
    import openvino

    openvino.save_model(openvino.Core().read_model(str(graph(size, detections))), str(intermediate(size, detections)),
                        compress_to_fp16=False)


def make_slice() -> None:
    from PIL import Image

    pixels = hounsfield(np.load(tensor(512))[1]).astype(np.int32) + 32768
    Image.fromarray(pixels.astype(np.uint16)).save(slice_png())


def missing(plan: Dict[str, Any]) -> Iterator[Any]:
    """(what, path, function, arguments) in an order in which each finds what it needs."""
    yield "weights", weights(), parity_reference.weights_of, (DATA, ARCHITECTURE, CLASSES)
    for size in plan["references"]:
        yield f"input and reference of {size}", reference(size), make_reference, (size,)
    for size in plan["inputs"]:
        yield f"input of {size}", tensor(size), lambda side: np.save(tensor(side), ct_like(side, side, 3, SEED + 1)), (size,)
    for size, detections, pasted in plan["graphs"]:
        path = graph(size, detections, pasted)
        yield f"graph {path.name}", path, make_graph, (size, detections, pasted)
    for size, detections in plan["intermediates"]:
        yield "OpenVINO's file", intermediate(size, detections), make_intermediate, (size, detections)
    if plan["volume"]:
        yield "volume", volume(), lambda: np.save(volume(), hounsfield(ct_like(512, 512, VOLUME_SLICES, SEED + 1))), ()
    if plan["slice"]:
        yield "slice", slice_png(), make_slice, ()


def main() -> None:
    DATA.mkdir(parents=True, exist_ok=True)
    failures = 0
    for what, path, make, arguments in missing(json.loads(sys.argv[1])):
        if Path(path).exists():
            continue
        begin = time.monotonic()
        try:
            make(*arguments)
            print(f"  made {what} in {time.monotonic() - begin:.0f} s", flush=True)
        except Exception as error:
            # An engine that needs the file will say that it is not there.
            failures += 1
            print(f"  {what}: {type(error).__name__}: {error}", flush=True)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
