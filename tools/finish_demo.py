#!/usr/bin/env python3
"""The last part of the demo weights' training: a few more epochs, in which phantoms without a lesion are among the images. DeepLesion's
table has a row a lesion and cannot name them; a source of one's own can (uldor.Dataset.from_source).

    PYTHONPATH=examples/python/src python tools/finish_demo.py PHANTOMS --init W.safetensors --output demo.safetensors

Goes on from OUTPUT.checkpoint where it is there. Needs numpy, pillow and the uldor package.
"""
from __future__ import annotations

import argparse
import csv
import functools
from pathlib import Path
from typing import Dict, List

import numpy as np
from PIL import Image

import uldor


def rows(path: Path) -> List[Dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def numbers(text: str) -> np.ndarray:
    return np.array([float(part) for part in text.split(",")])


def read(folder: Path, slices: int) -> np.ndarray:
    return np.stack([np.asarray(Image.open(folder / f"{number + 1:03d}.png")).astype(np.int32) - 32768
                     for number in range(slices)]).astype(np.int16)


def phantoms(directory: Path, validation: int) -> uldor.Dataset:
    """All of them, the last `validation` to validate on."""
    lesions: Dict[str, List[uldor.SourceLesion]] = {}
    for row in rows(directory / "DL_info.csv"):
        # 1-based pixels to continuous coordinates: a point is its pixel's centre, a box is [x1 - 1, x2).
        lesion = uldor.SourceLesion(recist=numbers(row["Measurement_coordinates"]) - 0.5,
                                    box=tuple(numbers(row["Bounding_boxes"]) - [1, 1, 0, 0]))
        lesions.setdefault(row["File_name"].rpartition("_")[0], []).append(lesion)
    table = rows(directory / "phantoms.csv")
    images = []
    for index, row in enumerate(table):
        slices = int(row["slices"])
        images.append(uldor.SourceImage(
            size=(512, 512), read=functools.partial(read, directory / "Images_png" / row["series"], slices),
            lesions=lesions.get(row["series"], ()), name=row["series"], key_slice=int(row["key_slice"]) - 1,
            spacing=float(row["spacing_mm"]), slice_interval=float(row["slice_interval_mm"]),
            split="validation" if index >= len(table) - validation else "train"))
    return uldor.Dataset.from_source(images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("phantoms", type=Path)
    parser.add_argument("--init", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--validation", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()

    def tell(event: uldor.TrainingEvent) -> None:
        if event.kind == "epoch":
            print(f"epoch {event.epoch + 1}/{event.epochs}  loss {event.loss:.4f}  validation {event.validation_loss:.4f}", flush=True)

    # Not the seed of the epochs before, whose draws these would be again. Why 2: docs/learning.md.
    with phantoms(options.phantoms, options.validation) as data, uldor.Trainer(
            data, init=options.init, output=options.output, checkpoint=options.output + ".checkpoint", half=True, progress=tell,
            optimiser="adamw", lr=4e-4, lr_schedule="cosine", weight_decay=1e-2, warmup_steps=100, clip_norm=5, batch=1,
            accumulation=2, epochs=options.epochs, patience=0, trainable_layers=5, rpn_samples=128, roi_samples=64, proposals=400,
            seed=2, augmentation=uldor.Augmentation(scale=(0.9, 1.1), flip_x=0.5), threads=options.threads) as run:
        run.run()


if __name__ == "__main__":
    main()
