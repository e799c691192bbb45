"""FROC curves from the detections, by another hand than the library's: numpy, for intervals that its tool does not give.

Convention `paper` of docs/evaluation.md. Seeds and rows are compared on the same samples of patients, so what is kept is which
patient each true and each false detection is of. `Events.check` holds the values to those of `uldor froc`."""
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

LESION, FALSE_POSITIVE = 1, 2


@dataclass(frozen=True)
class Truth:
    """Of a split: each image's patient and boxes (x1, y1, x2, y2, continuous), by file name."""

    patients: NDArray[np.int64]  # of each image, 0...: the patient's place
    names: Tuple[str, ...]
    boxes: Tuple[NDArray[np.float64], ...]

    @property
    def lesions(self) -> int:
        return sum(map(len, self.boxes))


def overlaps(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """IoU of each of a with each of b."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    inner = np.clip(high - low, 0, None).prod(2)
    area = [(x[:, 2:] - x[:, :2]).prod(1) for x in (a, b)]
    return inner / (area[0][:, None] + area[1][None] - inner)


def read_detections(path: Path, corners: Dict[str, Tuple[int, int]]) -> Dict[str, List[Dict[str, Any]]]:
    """By image. The tool's boxes are those of the stored image; `corners` are of the images' windows, in which ours are."""
    found: Dict[str, List[Dict[str, Any]]] = {}
    for entry in json.loads(path.read_text()):
        x, y, w, h = entry["bbox"]
        left, top = corners[entry["file_name"]]
        entry["box"] = (x - left, y - top, x + w - left, y + h - top)
        found.setdefault(entry["file_name"], []).append(entry)
    return found


@dataclass(frozen=True)
class Events:
    """Detections that count, best first: of which patient (its place), and whether it is a hit."""

    truth: Truth
    patient: NDArray[np.int64]
    hit: NDArray[np.bool_]
    score: NDArray[np.float64]
    first_appended: int  # where the class of false positives begins

    def levels(self, levels: Sequence[float]) -> Tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Sensitivity at each level, of all patients, and whether the curve gets there."""
        value, reached = sampled(self, np.ones((1, self.truth.patients.max() + 1)), levels)
        return value[0, :-1], reached[0]

    def curve(self) -> Tuple[NDArray[np.float64], NDArray[np.float64]]:
        """False positives an image and sensitivity after each detection."""
        return np.cumsum(~self.hit) / len(self.truth.names), np.cumsum(self.hit) / self.truth.lesions

    def check(self, report: Dict[str, Any]) -> None:
        """Raises where `uldor froc` says otherwise."""
        told = next(subset for subset in report["subsets"] if subset["name"] == "all")
        levels = [level["level"] for level in told["levels"]]
        value, reached = self.levels(levels)
        for level, mine, there in zip(told["levels"], value, reached):
            if bool(level["reached"]) != bool(there) or there and abs(level["sensitivity"] - mine) > 1e-6:
                raise ValueError(f"at {level['level']} false positives an image uldor froc says {level}, this {mine}, {there}")
        if abs(told["maximum"] - self.hit.sum() / self.truth.lesions) > 1e-6:
            raise ValueError(f"the maximum is {told['maximum']} by uldor froc, {self.hit.sum() / self.truth.lesions} by this")


def match(truth: Truth, detections: Dict[str, List[Dict[str, Any]]], append: bool) -> Events:
    """A lesion is hit once, by IoU > 0.5; a repeat counts neither way. `append`: false positives' class behind the lesions."""
    order: List[Tuple[Any, ...]] = []
    for image, (name, boxes) in enumerate(zip(truth.names, truth.boxes)):
        entries = [e for e in detections.get(name, ()) if append or e["category_id"] == LESION]
        if not entries:
            continue
        own = np.array([e["box"] for e in entries])
        iou = overlaps(own, boxes) if len(boxes) else np.zeros((len(own), 0))
        best = iou.max(1, initial=0)
        scores = [e["score"] if e["category_id"] == LESION else e["lesion_score"] for e in entries]
        keys = [(e["category_id"] != LESION, -scores[i], -best[i], *e["box"]) for i, e in enumerate(entries)]
        free = np.ones(len(boxes), bool)
        for i in sorted(range(len(entries)), key=keys.__getitem__):
            over = iou[i] > 0.5
            if (over & free).any():
                free[np.argmax(np.where(over & free, iou[i], -1))] = False
                order.append((keys[i], image, True))
            elif not over.any():
                order.append((keys[i], image, False))
    order.sort(key=lambda event: event[0])
    patient = truth.patients[[event[1] for event in order]] if order else np.zeros(0, np.int64)
    return Events(truth, patient, np.array([event[2] for event in order], bool), np.array([-event[0][1] for event in order]),
                  sum(not event[0][0] for event in order))


def sampled(events: Events, weights: NDArray[np.float64],
            levels: Sequence[float]) -> Tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """For each row of patients' weights the sensitivity at or below each level and, last, the maximum; and which levels the
    curve reaches. A level that it does not reach has the sensitivity at its end."""
    truth = events.truth
    lesions = np.bincount(truth.patients, [len(b) for b in truth.boxes], weights.shape[1])
    images = np.bincount(truth.patients, minlength=weights.shape[1])
    value, reached = np.zeros((len(weights), len(levels) + 1)), np.zeros((len(weights), len(levels)), bool)
    for sample, weight in enumerate(weights):
        each = weight[events.patient]
        true = np.concatenate([[0.0], np.cumsum(each * events.hit)]) / (weight @ lesions)
        false = np.concatenate([[0.0], np.cumsum(each * ~events.hit)]) / (weight @ images)
        value[sample, :-1] = true[np.searchsorted(false, np.asarray(levels) + 1e-12, side="right") - 1]
        value[sample, -1] = true[-1]
        reached[sample] = false[-1] >= np.asarray(levels) - 1e-12
    return value, reached
