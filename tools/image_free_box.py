#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a detector that ignores the pixels would find: one box an image, the same distance from each side of every image.

    PYTHONPATH=examples/python/src python tools/image_free_box.py DIR [--windows crops.csv] [--masks DIR]

Images that were cut out around their lesion give its place away, and any figure on them means what it is above this one. The four
margins are searched for on the training images (`uldor evaluate` searches alike); the best that any margins can do on a split itself stands behind (IoU > 0.5)."""
from __future__ import annotations

import argparse
from typing import List, Tuple

import numpy as np
import uldor


def overlaps(margins: np.ndarray, sizes: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """IoU of each lesion's box with its image less the margins (left, top, right, bottom)."""
    own = np.concatenate([np.broadcast_to(margins[:2], sizes.shape), sizes - margins[2:]], 1)
    low, high = np.maximum(own[:, :2], boxes[:, :2]), np.minimum(own[:, 2:], boxes[:, 2:])
    inner = np.clip(high - low, 0, None).prod(1)
    area = np.clip(own[:, 2:] - own[:, :2], 0, None).prod(1)
    return inner / (area + (boxes[:, 2:] - boxes[:, :2]).prod(1) - inner)


def search(sizes: np.ndarray, boxes: np.ndarray) -> Tuple[np.ndarray, int]:
    """The margins that hit most, by coordinate descent from equal ones, or from the lesions' median ones where no equal ones hit any."""
    def hits(margins: np.ndarray) -> int:
        return int((overlaps(margins, sizes, boxes) > 0.5).sum())

    best = max((np.full(4, float(m)) for m in range(0, 120, 2)), key=hits)
    if hits(best) == 0 and len(boxes):
        best = np.rint(np.median(np.concatenate([boxes[:, :2], sizes - boxes[:, 2:]], 1), 0))
    improved = True
    while improved:
        improved = False
        for side in range(4):
            for step in range(-40, 41):
                other = best.copy()
                other[side] = max(other[side] + step, 0)
                if hits(other) > hits(best):
                    best, improved = other, True
    return best, hits(best)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("--windows")
    parser.add_argument("--masks")
    options = parser.parse_args()
    data = uldor.Dataset(options.directory, windows=options.windows, masks_directory=options.masks)
    trained = None
    for split in ("train", "validation", "test"):
        sizes: List[Tuple[int, int]] = []
        boxes: List[Tuple[float, ...]] = []
        for index, image in data.images(split):
            for lesion in data.lesions(index):
                sizes.append(image.size[::-1])
                boxes.append(lesion.box)
        places = np.array(sizes, float), np.array(boxes, float)
        own, most = search(*places)
        trained = own if trained is None else trained
        hits = int((overlaps(trained, *places) > 0.5).sum())
        print(f"{split}: {len(boxes)} lesions, {100 * hits / len(boxes):.1f} %; margins {', '.join(f'{m:.0f}' for m in trained)} px at "
              f"left, top, right, bottom (at most {100 * most / len(boxes):.1f} %, by {', '.join(f'{m:.0f}' for m in own)})")


if __name__ == "__main__":
    main()
