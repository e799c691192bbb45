# SPDX-License-Identifier: Apache-2.0
"""Matches detections or proposals of two implementations without regard to order.

One that has no partner counts as explained only where a rounding error decides about it: its score lies at the threshold or at
the cut of the best N, its overlap lies at the NMS threshold, one of its sides at the least that is kept, it swaps ranks with an
equal score that suppresses it, or something explained suppresses it. A detection that the other side does not even have among its
candidates before NMS is wrong, not a tie.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

Arrays = Mapping[str, np.ndarray]
# Limits of the project, end to end: pixels, and probabilities.
BOX_PX, SCORE, MASK_PROBABILITY = 0.05, 1e-4, 1e-3
# What rounding may decide: scores closer than this are equal, overlaps closer than this to the threshold lie on it.
TIE = 1e-5
# Likewise sides, in pixels, to the least that is kept: coordinates of several hundred pixels are rounded by 3e-5 alone.
SIDE_TIE = 1e-4
# What is left at the end of the network.
FINAL = ("boxes", "scores", "labels", "masks28")


@dataclass
class Rules:
    """What decides which boxes survive: of the box head, or of the RPN."""

    score_threshold: float = 0.05
    nms_threshold: float = 0.5
    limit: int = 100
    # torchvision's remove_small_boxes.
    least_side: float = 1e-2


@dataclass
class Match:
    """Pairs (ours, theirs) of indices, what is left over on both sides, and what of that no tie explains."""

    pairs: List[Tuple[int, int]] = field(default_factory=list)
    ours_alone: List[int] = field(default_factory=list)
    theirs_alone: List[int] = field(default_factory=list)
    unexplained: List[str] = field(default_factory=list)

    @property
    def ties(self) -> int:
        return len(self.ours_alone) + len(self.theirs_alone)


def overlaps(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """IoU of one box with N boxes."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    inner = np.prod(np.clip(high - low, 0, None), axis=1)
    area = np.prod(box[2:] - box[:2]) + np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return inner / np.maximum(area - inner, 1e-30)


def _nearest(boxes: Arrays, among: np.ndarray, other: Arrays, index: int) -> Optional[int]:
    """Which of `boxes`, as far as `among` is set, equals box `index` of `other` within the limits; the nearest one."""
    equal = among & (boxes["labels"] == other["labels"][index]) & (np.abs(boxes["scores"] - other["scores"][index]) <= SCORE)
    found = np.flatnonzero(equal)
    if not len(found):
        return None
    distance = np.abs(boxes["boxes"][found] - other["boxes"][index]).max(axis=1)
    best = int(np.argmin(distance))
    return int(found[best]) if distance[best] <= BOX_PX else None


def match(ours: Arrays, theirs: Arrays, rules: Rules, candidates: Optional[Arrays] = None) -> Match:
    """Pairs boxes of the same label that are equal within the limits, nearest first, whatever their order, and explains the
    rest. All hold boxes Nx4, scores N, labels N; `candidates` are torchvision's boxes before NMS."""
    out = Match()
    free = np.ones(len(ours["scores"]), bool)
    for index in np.argsort(-theirs["scores"], kind="stable"):
        found = _nearest(ours, free, theirs, int(index))
        if found is None:
            out.theirs_alone.append(int(index))
        else:
            free[found] = False
            out.pairs.append((found, int(index)))
    out.ours_alone = [int(index) for index in np.flatnonzero(free)]
    _explain(out, ours, theirs, rules, candidates)
    return out


def _explain(out: Match, ours: Arrays, theirs: Arrays, rules: Rules, candidates: Optional[Arrays]) -> None:
    wrong = []
    if candidates is not None:
        every = np.ones(len(candidates["scores"]), bool)
        wrong = [index for index in out.ours_alone if _nearest(candidates, every, ours, index) is None]
    # What is wrong explains nothing.
    sound = np.setdiff1d(np.arange(len(ours["scores"])), wrong)
    # Indices of `rivals` are those of the whole side.
    sides = {"ours": (ours, [index for index in out.ours_alone if index not in wrong], theirs, "theirs"),
             "theirs": (theirs, out.theirs_alone, ours, "ours")}
    rivals = {"ours": sound, "theirs": np.arange(len(theirs["scores"]))}
    open_ones = [(side, index) for side in sides for index in sides[side][1]]
    explained: Dict[str, List[int]] = {"ours": [], "theirs": []}
    # What something explained suppresses is explained: repeated until nothing more follows.
    progress = True
    while progress:
        progress = False
        for side, index in list(open_ones):
            own, _, other, other_side = sides[side]
            if _is_tie(own, index, other, rivals[other_side], explained[other_side], rules):
                explained[side].append(index)
                open_ones.remove((side, index))
                progress = True
    # Each extra survivor of one side pushes the last one of a full list out.
    for side, index in list(open_ones):
        own, _, other, other_side = sides[side]
        extra = len(explained[other_side])
        if extra and len(other["scores"]) >= rules.limit:
            cut = np.sort(other["scores"])[:extra].max()
            if own["scores"][index] <= cut + TIE:
                open_ones.remove((side, index))
    for side, index in open_ones + [("ours", index) for index in wrong]:
        own = sides[side][0]
        box = ", ".join(f"{value:.4f}" for value in own["boxes"][index])
        out.unexplained.append(f"{side} only: class {own['labels'][index]}, score {own['scores'][index]:.7f}, box {box}")


def _is_tie(own: Arrays, index: int, other: Arrays, rivals: np.ndarray, explained: Sequence[int], rules: Rules) -> bool:
    """Whether rounding may be why `other`, of which `rivals` are sound, lacks this one of `own`."""
    score, box, label = float(own["scores"][index]), own["boxes"][index], own["labels"][index]
    if abs(score - rules.score_threshold) <= TIE:
        return True
    if len(other["scores"]) >= rules.limit and abs(score - float(other["scores"].min())) <= TIE:
        return True
    if abs(float((box[2:] - box[:2]).min()) - rules.least_side) <= SIDE_TIE:
        return True
    rivals = rivals[(other["labels"][rivals] == label) & (other["scores"][rivals] >= score - TIE)]
    if not len(rivals):
        return False
    overlap = overlaps(box, other["boxes"][rivals])
    at_threshold = np.abs(overlap - rules.nms_threshold) <= TIE
    equal_score = np.abs(other["scores"][rivals] - score) <= TIE
    follows = np.isin(rivals, explained)
    suppressed = overlap > rules.nms_threshold - TIE
    return bool(np.any(at_threshold | (suppressed & (equal_score | follows))))


def distance(left: Arrays, right: Arrays, rules: Rules) -> Tuple[float, float, float]:
    """Largest differences in pixels, score and mask probability over what matches; both hold the names in FINAL."""
    pairs = match(left, right, rules).pairs
    if not pairs:
        return 0.0, 0.0, 0.0
    a, b = (np.array(side) for side in zip(*pairs))
    side = right["masks28"].shape[-1]
    masks = [arrays["masks28"].reshape(-1, side, side)[rows] for arrays, rows in ((left, a), (right, b))]
    return (float(np.abs(left["boxes"][a] - right["boxes"][b]).max()),
            float(np.abs(left["scores"][a] - right["scores"][b]).max()), float(np.abs(masks[0] - masks[1]).max()))
