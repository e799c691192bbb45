# SPDX-License-Identifier: Apache-2.0
"""Hard negative example mining as the method's section 5 has it, in numpy: masks pasted at the network's input, S2, cases,
candidates. It shares nothing with the library."""
from __future__ import annotations

from typing import List, NamedTuple, Optional, Sequence, Tuple

import numpy

#: A pasted probability nearer to 0.5 than this may fall on either side of it: two ways of rounding.
NARROW = 1e-4


class Lesion(NamedTuple):
    """A lesion of the input: its box, and its mask where it has one."""

    box: numpy.ndarray
    mask: Optional[numpy.ndarray]


def _weights(low: int, high: int, side: int, length: int) -> Tuple[int, numpy.ndarray]:
    """Where the pasted mask begins on an axis of `length` pixels, and what each of its pixels takes of the `side` cells: bilinear,
    align_corners=False, onto max(high - low + 1, 1) pixels."""
    count = max(high - low + 1, 1)
    at = numpy.clip((numpy.arange(count) + 0.5) * side / count - 0.5, 0, side - 1)
    below = numpy.floor(at).astype(int)
    above = numpy.minimum(below + 1, side - 1)
    part = at - below
    weights = numpy.zeros((count, side))
    weights[numpy.arange(count), below] += 1 - part
    weights[numpy.arange(count), above] += part
    first, last = max(low, 0), min(high + 1, length)
    return first, weights[first - low:max(last, first) - low]


def paste(probabilities: numpy.ndarray, box: Sequence[float], height: int, width: int) -> numpy.ndarray:
    """A mask's probabilities over its box at the input's size, by torchvision's rule: a border of one zero cell, the box that much
    larger and truncated to integers."""
    side = len(probabilities) + 2
    padded = numpy.zeros((side, side))
    padded[1:-1, 1:-1] = probabilities
    x1, y1, x2, y2 = numpy.asarray(box, numpy.float32)
    grown = numpy.float32(side / (side - 2))
    half_width, half_height = (x2 - x1) * numpy.float32(0.5) * grown, (y2 - y1) * numpy.float32(0.5) * grown
    x, y = (x2 + x1) * numpy.float32(0.5), (y2 + y1) * numpy.float32(0.5)
    left, rows_of = _weights(int(x - half_width), int(x + half_width), side, width)
    top, columns_of = _weights(int(y - half_height), int(y + half_height), side, height)
    out = numpy.zeros((height, width))
    out[top:top + len(columns_of), left:left + len(rows_of)] = columns_of @ padded @ rows_of.T
    return out


def box_iou(a: Sequence[float], b: Sequence[float]) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common
    return common / both if both > 0 else 0.0


def s2(pasted: numpy.ndarray, box: Sequence[float], lesions: Sequence[Lesion]) -> Tuple[float, float]:
    """Best IoU of a detection over the lesions, at least and at most: pixels with a probability of nearly 0.5 may be either."""
    surely, perhaps = pasted > 0.5 + NARROW, pasted > 0.5 - NARROW
    lowest = highest = 0.0
    for lesion in lesions:
        if lesion.mask is None:
            low = high = box_iou(box, lesion.box)
        else:
            # One doubtful pixel more raises the IoU where it is the lesion's and lowers it elsewhere.
            least = (surely & lesion.mask).sum() / max((surely | lesion.mask | perhaps).sum(), 1)
            most = (perhaps & lesion.mask).sum() / max((surely | lesion.mask).sum(), 1)
            low, high = float(least), float(most)
        lowest, highest = max(lowest, low), max(highest, high)
    return lowest, highest


def judge(s1: Sequence[float], s2: Sequence[float], good_iou: float, min_score: float) -> Tuple[str, List[str]]:
    """The case of a slice, and of each detection whether it is "good", a "candidate" or "low"."""
    good = [value > good_iou for value in s2]
    if any(good):
        best = max(score for score, is_good in zip(s1, good) if is_good)
        return "a", ["good" if is_good else "candidate" if score > best else "low" for score, is_good in zip(s1, good)]
    return "b", ["candidate" if score > min_score else "low" for score in s1]


def drawn(candidates: int, most: int) -> int:
    """How many of them are mined."""
    return min(candidates, most)
