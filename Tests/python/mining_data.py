# SPDX-License-Identifier: Apache-2.0
"""Random small slices to mine, and models of random weights that find much in them."""
from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Optional

import numpy

from safetensors_bytes import changed, tensors

#: Few regions and detections: an image takes milliseconds.
FEW = {"rpn": {"pre_nms_top_n": 80, "post_nms_top_n": 40}, "box": {"detections": 10}}
MASK_BIAS = "roi_heads.mask_predictor.mask_fcn_logits.bias"
CLASS_WEIGHT, CLASS_BIAS = "roi_heads.box_predictor.cls_score.weight", "roi_heads.box_predictor.cls_score.bias"


def weights(path: Path, fixture: Path, *, rule: str = "per_class", tied: bool = False, mask_bias: float = -2.0) -> Path:
    """A fixture's weights with few detections, some of whose masks are empty. `tied`: the class logits take few values, so
    that scores are equal."""
    values = tensors(fixture)
    replaced = {MASK_BIAS: values[MASK_BIAS] + numpy.float32(mask_bias)}
    if tied:
        replaced[CLASS_WEIGHT] = values[CLASS_WEIGHT] * 0
        replaced[CLASS_BIAS] = numpy.array([0, 1, -1][:len(values[CLASS_BIAS])], numpy.float32)
    path.write_bytes(changed(fixture, replaced, {**FEW, "class_rule": rule}))
    return path


def pixels(draw: numpy.random.Generator) -> numpy.ndarray:
    """Noise, discs in noise, or what has edges of air, so that the body is cropped; Hounsfield units."""
    height, width = draw.integers(40, 65, 2)
    image = draw.normal(40, draw.choice([5, 60, 200]), (height, width))
    rows, columns = numpy.mgrid[:height, :width]
    for _ in range(draw.integers(0, 4)):
        x, y, radius = draw.uniform(0, width), draw.uniform(0, height), draw.uniform(2, 9)
        image[(columns - x) ** 2 + (rows - y) ** 2 < radius**2] += draw.uniform(-400, 600)
    if draw.random() < 0.3:
        image[:draw.integers(1, 9)], image[:, -draw.integers(1, 9):] = -1000, -1000
    return image.astype(numpy.float32)


def _moved(mask: numpy.ndarray, draw: numpy.random.Generator) -> numpy.ndarray:
    return numpy.roll(mask, draw.integers(-5, 6, 2) * draw.integers(0, 2), (0, 1))


def lesion(found: Any, size: Any, draw: numpy.random.Generator) -> Any:
    """Diameters or a box anywhere, or what a detection has, moved a little, so that IoUs take all values."""
    import uldor

    height, width = size
    x, y, long, short = draw.uniform(8, width - 8), draw.uniform(8, height - 8), draw.uniform(2, 8), draw.uniform(1, 4)
    kind = draw.choice(["recist", "box", "mask"])
    detection = found[draw.integers(0, len(found))] if len(found) else None
    if kind == "recist" or detection is None:
        return uldor.SourceLesion(recist=(x - long, y, x + long, y, x, y - short, x, y + short))
    x1, y1, x2, y2 = numpy.array(detection.box)
    if kind == "box":
        shift = draw.normal(0, 2, 2)
        return uldor.SourceLesion(box=(x1 + shift[0], y1 + shift[1], x2 + shift[0] + 1, y2 + shift[1] + 1))
    mask = _moved(detection.mask, draw)
    if not mask.any():
        mask = mask.copy()
        mask[int(y):int(y) + 3, int(x):int(x) + 3] = True
    rows, columns = numpy.nonzero(mask)
    box = (float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1))
    return uldor.SourceLesion(box=box, mask=mask)


def images(model: Any, count: int, seed: int, classes: bool = False) -> List[Any]:
    """Slices of a training split, and every tenth of another or without lesions. `classes`: some annotations are false positives."""
    import uldor

    draw = numpy.random.default_rng(seed)
    made = []
    with model.session(threads=1, score_threshold=0) as session:
        for number in range(count):
            image, spacing = pixels(draw), tuple(draw.uniform(0.7, 0.9, 2).round(3))
            lesions: List[Any] = []
            if number % 10 != 9:
                with session.detect(image, spacing=spacing) as found:
                    lesions = [lesion(found, image.shape, draw) for _ in range(draw.integers(1, 4))]
            if classes and len(lesions) > 1 and draw.random() < 0.3:
                lesions[0] = lesions[0]._replace(class_index=2)
            made.append(uldor.SourceImage(
                size=image.shape, read=lambda image=image: image, lesions=lesions, spacing=spacing, name=f"s{seed}/{number:04d}",
                split="test" if number % 10 == 8 else "train"))
    return made


def source(model: Any, count: int, seed: int, **options: Any) -> Any:
    import uldor

    return uldor.Dataset.from_source(images(model, count, seed, **options))


def lines(path: Path) -> List[Dict[str, Any]]:
    """A mined file's lines."""
    import json

    return [json.loads(line) for line in path.read_text().splitlines()]


def mined(path: Path, model: Any, data: Any, **options: Any) -> bytes:
    """The bytes of a mined file."""
    import uldor

    uldor.mine(model, data, path, **{"threads": 1, **options})
    assert not path.with_name(path.name + ".part").exists()
    return path.read_bytes()


def set_of(path: Path, why: Optional[str] = "chosen") -> List[Any]:
    """Names and boxes of detections that became this."""
    return [(line["image"], tuple(found["box"])) for line in lines(path)[1:-1] for found in line["detections"] if found["why"] == why]
