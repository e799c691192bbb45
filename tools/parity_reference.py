# SPDX-License-Identifier: Apache-2.0
"""Weights, inputs and torchvision's intermediates for parity.py, kept in a scratch directory. Needs torch."""
from __future__ import annotations

import csv
from pathlib import Path
from typing import Iterable, Iterator, Tuple

import numpy as np
from parity_matching import BOX_PX, FINAL, MASK_PROBABILITY, SCORE, Arrays, Rules, distance, match

#: Of the weights that both comparisons use: one file a network, whichever of them makes it.
SEED = 7


def _is_well_conditioned(single: Arrays, double: Arrays, rules: Rules) -> bool:
    """Whether torchvision in float32 and in float64 finds the same, within half of the limits: else a comparison with
    the former measures its rounding."""
    pairs = match(single, double, rules).pairs
    if len(pairs) != len(single["scores"]) or len(pairs) != len(double["scores"]):
        return False
    return all(got <= limit / 2 for got, limit in zip(distance(single, double, rules), (BOX_PX, SCORE, MASK_PROBABILITY)))


def weights_of(scratch: Path, arch: str, classes: int, start: bool = False) -> Path:
    """Of a detector's spread, or those that a training starts from (make_weights.py)."""
    import make_weights

    weights = scratch / f"{arch}_{classes}class{'_start' if start else ''}.safetensors"
    if not weights.exists():
        scratch.mkdir(parents=True, exist_ok=True)
        make_weights.make(weights, make_weights.architecture(arch, classes, make_weights.FULL),
                          make_weights.configuration(arch, classes, False), (512, 512), SEED, start=start)
    return weights


def reference(weights: Path, inputs: Iterable[Tuple[str, np.ndarray]]) -> Tuple[str, np.ndarray, Arrays]:
    """Name, tensor and torchvision's intermediates of the first of the named inputs on which torchvision is well
    conditioned; kept beside the weights."""
    import torch
    import torchvision_model
    import torchvision_reference

    for name, tensor in inputs:
        stored = weights.with_name(f"{weights.stem}_{name}.npz")
        if not stored.exists():
            with torch.no_grad():
                double, config = torchvision_model.load(weights, torch.float64)
                exact = torchvision_reference.intermediates(double, torch.from_numpy(tensor).double())
            exact = {name: exact[name].numpy() for name in FINAL}
            parts = torchvision_reference.reference(weights, tensor)
            rules = Rules(*(config[f"box.{name}"] for name in ("score_threshold", "nms_threshold", "detections")))
            if not _is_well_conditioned(parts, exact, rules):
                parts = {}
            else:
                # The stem is not a stage of its own.
                del parts["stem"]
                parts.update({f"float64.{name}": value for name, value in exact.items()})
            np.savez(stored, **parts)
        arrays = dict(np.load(stored))
        if arrays:
            return name, tensor, arrays
    raise SystemExit(f"parity: {weights.stem}: no input on which torchvision in float32 agrees with itself in float64")


def synthetic(text: str, seed: int) -> Iterator[Tuple[str, np.ndarray]]:
    """CT-like inputs of a size, HEIGHTxWIDTH."""
    from synthetic_slice import ct_like

    height, width = (int(side) for side in text.split("x"))
    for input_seed in range(seed + 1, seed + 100):
        yield f"{text} #{input_seed}", ct_like(height, width, 3, input_seed)


def key_slices(folder: Path, weights: Path) -> Iterator[Tuple[str, np.ndarray]]:
    """The network's input for each key slice of a DeepLesion folder (Images_png, DL_info.csv), by the library itself."""
    import cv2
    import uldor

    with open(folder / "DL_info.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        series, slice_name = row["File_name"].rsplit("_", 1)
        spacing_x, spacing_y, interval = (float(part) for part in row["Spacing_mm_px_"].split(","))
        key = int(slice_name[:3])
        paths = [folder / "Images_png" / series / f"{number:03d}.png" for number in range(max(key - 20, 1), key + 21)]
        slices = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) if path.is_file() else None for path in paths]
        with uldor.Model(weights) as model, model.session(keep_false_positives=True) as session:
            tensor, _ = session.input(slices, "normalised", key_slice=paths.index(folder / "Images_png" / series / slice_name),
                                      spacing=(spacing_x, spacing_y), slice_interval=interval, intercept=-32768)
        # The calibrated random weights were made for inputs of about this spread.
        yield f"{series} {key}", np.ascontiguousarray((tensor - tensor.mean()) / tensor.std())
