# SPDX-License-Identifier: Apache-2.0
"""Whether an engine found what torchvision finds. A fast wrong answer is no result."""
from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Dict, Mapping

import numpy as np

from configuration import DETECTIONS, ROOT, SCORE_THRESHOLD, reference

sys.path.insert(0, str(ROOT / "tools"))
from parity_matching import BOX_PX, SCORE, Rules, match  # noqa: E402


def expected(size: int, detections: int) -> Dict[str, np.ndarray]:
    """torchvision's detections; suppression goes by score, so a higher threshold keeps the first ones."""
    stored = np.load(reference(size))
    return {name: stored[name][:detections] for name in ("boxes", "scores", "labels", "masks28")}


def threshold(size: int, detections: int) -> float:
    return SCORE_THRESHOLD if detections == DETECTIONS else float(np.load(reference(size))["threshold_5"])


def compare(path: Path, size: int, detections: int) -> Dict[str, Any]:
    """Detections matched without regard to order, as tools/parity.py does: near ties may swap. `agrees` is false where a box,
    a score or a detection differs by more than rounding explains. Differences are over what can be paired at all."""
    ours, theirs = dict(np.load(path)), expected(size, detections)
    found = match(ours, theirs, Rules(threshold(size, detections), limit=DETECTIONS))
    boxes, scores, masks = _differences(ours, theirs)
    return {"agrees": not found.unexplained and len(ours["scores"]) > 0, "detections": len(ours["scores"]), "expected": len(theirs["scores"]),
            "box_px": boxes, "score": scores, "mask": masks, "unmatched": found.ties, "unexplained": found.unexplained,
            "limits": {"box_px": BOX_PX, "score": SCORE}}


def _differences(ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]) -> tuple[float, float, float]:
    """Largest differences in pixels, score and mask probability, each detection of `theirs` against the nearest of `ours`
    that is within half a pixel, whatever the limits: so that a disagreement has a size."""
    worst = np.zeros(3)
    for index, box in enumerate(theirs["boxes"]):
        distance = np.abs(ours["boxes"] - box).max(axis=1).astype(np.float64)
        distance[ours["labels"] != theirs["labels"][index]] = np.inf
        nearest = int(np.argmin(distance)) if len(distance) else -1
        if nearest < 0 or distance[nearest] > 0.5:
            continue
        mask = np.abs(ours["masks28"][nearest] - theirs["masks28"][index]).max() if "masks28" in ours else 0.0
        worst = np.maximum(worst, [distance[nearest], abs(float(ours["scores"][nearest]) - float(theirs["scores"][index])), mask])
    return float(worst[0]), float(worst[1]), float(worst[2])
