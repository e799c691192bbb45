#!/usr/bin/env python3
"""Measures a weights file through libuldor on phantoms it was not trained on.

    PYTHONPATH=examples/python/src python tools/eval_demo.py share/uldor-demo.safetensors

A detection is right when its box IoU with a lesion's box is above 0.5; a lesion is hit once, a repeat hit counts neither way
(docs/evaluation.md, convention "paper").
Prints sensitivity at 0.5, 1 and 2 false positives an image, the operating point of the file's own score threshold,
and what is found on lesion-free phantoms. Needs numpy, pillow and the uldor package."""
from __future__ import annotations

import argparse
from typing import List, Optional, Tuple

import numpy as np
import phantom
import uldor


def detect(session: uldor.Session, seed: int, count: int, lesions: Optional[int] = None, first: int = 0) -> Tuple[uldor.FrocResult, List[float]]:
    """The FROC of every detection on `count` phantoms from number `first` on, and for each phantom on which something is found its best score."""
    best = []
    with uldor.Froc() as froc:
        for index in range(first, first + count):
            drawn = phantom.draw((seed, index), lesions)
            # 1-based boxes of the CSV to continuous coordinates: [x1 - 1, x2).
            boxes = np.array([lesion.box for lesion in drawn.lesions], float).reshape(-1, 4) - [1, 1, 0, 0]
            with session.detect(drawn.volume_hu, spacing=drawn.spacing_mm, slice_interval=drawn.slice_interval_mm,
                                key_slice=len(drawn.volume_hu) // 2) as found:
                froc.add(index, boxes, [hit.box for hit in found], [hit.score for hit in found])
                best += [hit.score for hit in found][:1]
        return froc.compute(), best


def sensitivity(result: uldor.FrocResult, level: float) -> Tuple[float, float]:
    """Best sensitivity at or below a level of false positives an image, and the score where it is reached. Where the curve ends
    before the level, that of its end."""
    reached = result.curve[result.curve[:, 1] <= level]
    if not len(reached):
        return 0.0, 1.0
    row = reached[reached[:, 2].argmax()]
    return float(row[2]), float(row[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="number of the first; `--seed 1000 --first 1600 --count 100`: validation")
    parser.add_argument("--free", type=int, default=20, help="lesion-free phantoms")
    parser.add_argument("--seed", type=int, default=2000, help="not the one trained with (1000)")
    options = parser.parse_args()
    with uldor.Model(options.weights) as model:
        threshold = model.info.score_threshold
        # The curve needs what the threshold drops.
        with model.session(score_threshold=0.01) as session:
            result, _ = detect(session, options.seed, options.count, first=options.first)
        print(f"{options.count} phantoms, {result.lesions} lesions, seed {options.seed}")
        for level in (0.5, 1, 2):
            value, score = sensitivity(result, level)
            print(f"sensitivity at {level} FP/image: {100 * value:.1f} % (score {score:.3f})")
        kept = result.curve[result.curve[:, 0] > threshold]
        _, false, value = kept[-1] if len(kept) else (threshold, 0, 0)
        print(f"at the file's threshold {threshold:.2f}: sensitivity {100 * value:.1f} %, {false:.2f} FP/image")
        with model.session() as session:
            _, best = detect(session, options.seed + 1, options.free, lesions=0)
        print(f"{options.free} lesion-free phantoms, seed {options.seed + 1}: nothing found in {options.free - len(best)}; best scores "
              f"of the others {[round(score, 3) for score in best]}")


if __name__ == "__main__":
    main()
