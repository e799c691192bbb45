#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the committed parity fixtures: tiny weights and every intermediate of one forward pass through them.

A seed is taken only if float32 and float64 choose the same proposals and detections in the same order and the
detections' scores lie apart: an implementation that is right to rounding then neither swaps nor loses one, and tests may
compare row by row."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

import make_weights
import safetensors_file
import torchvision_model
import torchvision_reference
import uldor_weights
from synthetic_slice import ct_like

SIZE = (97, 131)
SEEDS = range(1, 200)
# The first rows are enough to find an error in these; whole, they are megabytes.
FIRST = {"box_features": 16, "mask_features": 8, "mask_logits": 8, "masks28": 16}
PASTED = 4
# Low enough for 3 classes that some RoIs yield both foreground classes, which the two class rules treat differently.
FOREGROUND_BIAS = {2: -2.0, 3: -4.5}
FLOAT32_TO_64_PIXELS = 0.01
SCORES_APART = 1e-5


@torch.no_grad()
def is_stable(weights: Path, image: np.ndarray, class_rules: list[str]) -> bool:
    scores = []
    for rule in class_rules:
        runs = []
        for dtype in (torch.float32, torch.float64):
            model = torchvision_model.load(weights, dtype, {"class_rule": rule})[0]
            runs.append(torchvision_reference.intermediates(model, torch.from_numpy(image).to(dtype)))
        single, double = runs
        if len(single["boxes"]) < 100 or len(single["proposals"]) < 200:
            return False
        if single["scores"].diff().abs().min() < SCORES_APART:
            return False
        for name in ("proposals", "boxes", "labels"):
            if single[name].shape != double[name].shape or (single[name] - double[name]).abs().max() > FLOAT32_TO_64_PIXELS:
                return False
        scores.append(single["scores"])
    return len(scores) == 1 or not torch.equal(*scores)


@torch.no_grad()
def large_regions(weights: Path, parts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A small slice's own boxes all fall on P2; these reach every level and over the image's edges."""
    boxes = [[10, 12, 30.5, 25], [-8, 5.25, 70, 60], [0, 0, 131, 97], [-20, -30, 150, 120], [3, -40, 160, 200],
             [-150, -120, 200, 180], [-300, -260, 300, 240], [40.5, 40.5, 40.5, 40.5]]
    model = torchvision_model.load(weights)[0]
    rois, p = torch.tensor(boxes), [torch.from_numpy(parts[f"p{level}"]) for level in range(2, 7)]
    return {"regions.boxes": rois.numpy(),
            "regions.box_features": torchvision_reference.stage_box_roi_align(model, p, rois, SIZE).numpy(),
            "regions.mask_features": torchvision_reference.stage_mask_roi_align(model, p, rois, SIZE).numpy()}


def fixture(weights: Path, image: np.ndarray, class_rules: list[str]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    parts = torchvision_reference.reference(weights, image)
    kept = {"input": image} | {n: a[:FIRST.get(n, len(a))] for n, a in parts.items() if n not in ("padded", "masks_pasted")}
    kept["masks_pasted"] = parts["masks_pasted"][:1]
    kept["masks_pasted_binary"] = (parts["masks_pasted"][:PASTED] > 0.5).astype(np.uint8)
    for rule in class_rules[1:]:
        other = torchvision_reference.reference(weights, image, {"class_rule": rule})
        kept |= {f"{rule}.{name}": other[name] for name in ("boxes", "scores", "labels")}
    kept |= large_regions(weights, parts)
    about = {"height": image.shape[1], "width": image.shape[2], "padded": list(parts["padded"].shape[2:]),
             "first_rows_only": FIRST | {"masks_pasted": 1, "masks_pasted_binary": PASTED}}
    return kept, {"fixture": json.dumps(about), "made_with": f"torch {torch.__version__}"}


def write_halves(weights: Path) -> dict[str, Path]:
    tensors, metadata = safetensors_file.load(weights)
    halves = {dtype: weights.with_name(f"{weights.stem}_{dtype}.safetensors") for dtype in ("fp16", "bf16")}
    for dtype, path in halves.items():
        uldor_weights.save(path, tensors, json.loads(metadata[uldor_weights.KEY]), dtype)
    return halves


def write(folder: Path, classes: int) -> None:
    weights, halves = folder / f"tiny_{classes}class.safetensors", {}
    rules = ["per_class", "best_class"][:classes - 1]
    image = ct_like(*SIZE, seed=classes)
    architecture = make_weights.architecture("resnet18", classes, make_weights.TINY)
    config = make_weights.configuration("tiny resnet18", classes, small_anchors=True)
    for seed in SEEDS:
        make_weights.make(weights, architecture, config, SIZE, seed, foreground_bias=FOREGROUND_BIAS[classes])
        if classes == 2:
            halves = write_halves(weights)
        if all(is_stable(path, image, rules) for path in [weights, *halves.values()]):
            break
    else:
        raise SystemExit("no seed gives a stable fixture")
    tensors, about = fixture(weights, image, rules)
    for dtype, path in halves.items():
        parts = torchvision_reference.reference(path, image)
        tensors |= {f"{dtype}.{name}": parts[name] for name in ("boxes", "scores", "labels")}
    safetensors_file.save(folder / f"tiny_{classes}class_97x131.safetensors", tensors, about)
    print(f"{weights.name}: seed {seed}, {len(tensors['proposals'])} proposals, {len(tensors['boxes'])} detections")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parent.parent / "Tests" / "fixtures")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # sums in one order, whatever the machine
    for classes in (2, 3):
        write(folder, classes)
    for file in sorted(folder.glob("tiny_*.safetensors")):
        print(f"{file.name}: {file.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
