# SPDX-License-Identifier: Apache-2.0
"""Small data to train on: bright discs in noise, as a host's source and in DeepLesion's layout; short runs on them."""
from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Tuple

import numpy

from dataset_files import row, write_csv, write_slice
from safetensors_bytes import metadata, tensors

__all__ = ["SHORT", "SMALL", "disc", "flat", "lesion_scores", "metadata", "same", "source", "tensors", "trainer", "write"]

SIDE = 96
#: 8 channels in the stem: a step takes milliseconds.
SMALL = "narrow:stem=8,fpn=16,fc=32,mask=16"
#: Short, and steep enough to see something learned.
SHORT: Dict[str, Any] = dict(architecture=SMALL, epochs=2, lr=0.005, batch=2, patience=0, proposals=100, calibration_images=4)


def disc(seed: int) -> Tuple[numpy.ndarray, float, float, float]:
    """An image of Hounsfield units, the disc's centre and radius."""
    random = numpy.random.default_rng(seed)
    image = random.normal(40, 20, (SIDE, SIDE)).astype(numpy.float32)
    x, y = random.uniform(32, 64, 2).round(1)
    radius = round(float(random.uniform(8, 14)), 1)
    rows, columns = numpy.mgrid[:SIDE, :SIDE] + 0.5
    image[(columns - x) ** 2 + (rows - y) ** 2 < radius**2] += 150
    return image, float(x), float(y), radius


def lesion_scores(weights: Path, **options: Any) -> Dict[Tuple[float, ...], float]:
    """Of the lesions that the weights find in some discs, by disc and box."""
    import uldor

    found = {}
    with uldor.Model(weights, **options) as model, model.session() as session:
        for seed in range(6):
            with session.detect(disc(seed)[0], spacing=0.8) as result:
                found |= {(seed, *numpy.round(d.box, 3)): d.score for d in result if d.class_name == "lesion"}
    return found


def diameters(x: float, y: float, radius: float) -> Tuple[float, ...]:
    return x - radius, y, x + radius, y, x, y - radius, x, y + radius


def source(train: int = 6, validation: int = 3) -> Any:
    """A uldor.Dataset; every third image has no lesion."""
    import uldor

    images = []
    for index in range(train + validation):
        image, *circle = disc(index)
        images.append(uldor.SourceImage(
            size=(SIDE, SIDE), read=lambda image=image: image,
            lesions=[uldor.SourceLesion(recist=diameters(*circle))] if index % 3 else [],
            split="train" if index < train else "validation", spacing=0.8, slice_interval=2))
    return uldor.Dataset.from_source(images)


def write(folder: Path, train: int = 6, validation: int = 3) -> Path:
    """The same with a lesion in each, in DeepLesion's layout."""
    rows = []
    for index in range(train + validation):
        image, x, y, radius = disc(index)
        series = f"{index + 1:06d}_01_01"
        for number in (4, 5, 6):
            write_slice(folder, series, number, numpy.round(image))
        rows.append(row(series, 5, recist=diameters(x + 0.5, y + 0.5, radius), type_=-1, size=(SIDE, SIDE),
                        split=1 if index < train else 2))
    return write_csv(folder, rows)


def trainer(dataset: Any, folder: Path, **options: Any) -> Any:
    """A short run that leaves out.safetensors and run.checkpoint in a folder."""
    import uldor

    return uldor.Trainer(dataset, output=folder / "out.safetensors", checkpoint=folder / "run.checkpoint",
                         **{**SHORT, **options})


def same(folder: Path, other: Path) -> bool:
    """Weights, momentum and the best weights have the same bytes."""
    return all((folder / name).read_bytes() == (other / name).read_bytes() for name in ("out.safetensors", "run.checkpoint"))


def flat(values: Dict[str, numpy.ndarray]) -> numpy.ndarray:
    return numpy.concatenate([values[name].ravel().astype(numpy.float64) for name in sorted(values) if name != "training.momentum"])
