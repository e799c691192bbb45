#!/usr/bin/env python3
"""Measures a weights file through libuldor on phantoms it was not trained on.

    PYTHONPATH=examples/python/src python tools/eval_demo.py share/uldor-demo.safetensors

A detection is right when its box IoU with a lesion's box is above 0.5; a lesion is hit once, a repeat hit counts neither way.
Prints sensitivity at 0.5, 1 and 2 false positives an image, the operating point of the file's own score threshold,
and what is found on lesion-free phantoms. Needs numpy, pillow and the uldor package."""
from __future__ import annotations

import argparse
from typing import List, NamedTuple, Optional, Tuple

import numpy as np
import phantom
import uldor


class Candidate(NamedTuple):
    score: float
    image: int
    hit: int
    """The lesion, or FALSE, or REPEAT."""


FALSE, REPEAT = -1, -2


def overlaps(box: Tuple[float, ...], boxes: np.ndarray) -> np.ndarray:
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    inner = np.clip(high - low, 0, None).prod(axis=1)
    area = (box[2] - box[0]) * (box[3] - box[1])
    return inner / (area + (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) - inner)


def judge(result: uldor.Result, lesions: np.ndarray, image: int) -> List[Candidate]:
    """Detections come best first, and so are they matched."""
    found: set = set()
    rows = []
    for detection in result:
        iou = overlaps(detection.box, lesions) if len(lesions) else np.empty(0)
        hits = [int(j) for j in np.argsort(-iou, kind="stable") if iou[j] > 0.5]
        new = [j for j in hits if j not in found]
        rows.append(Candidate(detection.score, image, new[0] if new else REPEAT if hits else FALSE))
        found.update(new[:1])
    return rows


def detect(session: uldor.Session, seed: int, count: int, lesions: Optional[int] = None) -> Tuple[List[Candidate], int]:
    """Every detection on `count` phantoms, and how many lesions these have."""
    rows: List[Candidate] = []
    total = 0
    for index in range(count):
        drawn = phantom.draw((seed, index), lesions)
        # 1-based boxes of the CSV to continuous coordinates: [x1 - 1, x2).
        boxes = np.array([lesion.box for lesion in drawn.lesions], float).reshape(-1, 4) - [1, 1, 0, 0]
        result = session.detect(drawn.volume_hu, spacing=drawn.spacing_mm, slice_interval=drawn.slice_interval_mm,
                                key_slice=len(drawn.volume_hu) // 2)
        rows += judge(result, boxes, index)
        total += len(boxes)
    return rows, total


def sensitivity(rows: List[Candidate], images: int, lesions: int, level: float) -> Tuple[float, float]:
    """Best sensitivity at or below a level of false positives an image, and the score where it is reached."""
    found, false, best = 0, 0, (0.0, 1.0)
    for row in sorted(rows, key=lambda row: -row.score):
        found, false = found + (row.hit >= 0), false + (row.hit == FALSE)
        if false > level * images:
            break
        if found / lesions > best[0]:
            best = found / lesions, row.score
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--free", type=int, default=20, help="lesion-free phantoms")
    parser.add_argument("--seed", type=int, default=2000, help="not the one trained with (1000)")
    options = parser.parse_args()
    with uldor.Model(options.weights) as model:
        threshold = model.info.score_threshold
        # The curve needs what the threshold drops.
        with model.session(score_threshold=0.01) as session:
            rows, lesions = detect(session, options.seed, options.count)
        print(f"{options.count} phantoms, {lesions} lesions, seed {options.seed}")
        for level in (0.5, 1, 2):
            value, score = sensitivity(rows, options.count, lesions, level)
            print(f"sensitivity at {level} FP/image: {100 * value:.1f} % (score {score:.3f})")
        kept = [row for row in rows if row.score > threshold]
        print(f"at the file's threshold {threshold:.2f}: sensitivity {100 * sum(row.hit >= 0 for row in kept) / lesions:.1f} %, "
              f"{sum(row.hit == FALSE for row in kept) / options.count:.2f} FP/image")
        with model.session() as session:
            rows, _ = detect(session, options.seed + 1, options.free, lesions=0)
        print(f"{options.free} lesion-free phantoms, seed {options.seed + 1}: nothing found in "
              f"{options.free - len({row.image for row in rows})}; scores of what was "
              f"{[round(row.score, 3) for row in rows]}")


if __name__ == "__main__":
    main()
