"""The mined negatives: what they were in truth."""
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Sequence

import numpy as np

from curve import overlaps
from truth import Images


@dataclass(frozen=True)
class Negative:
    """A chosen detection. `truth`: "unannotated", "annotated" (lesions that its box has an IoU above 0.5 with) or "nothing"."""

    image: str
    box: Any
    s1: float
    s2: float
    case: str
    truth: str


def lines(path: Path) -> List[Dict[str, Any]]:
    """The images of a mined file (docs/mining.md)."""
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return [line for line in found if "image" in line]


def negatives(path: Path, annotated: Images, full: Images, why: str = "chosen") -> List[Negative]:
    chosen: List[Negative] = []
    for line in lines(path):
        name = line["image"].replace("/", "_") + ".png"
        known, every = annotated.boxes(name), full.boxes(name)
        for detection in line["detections"]:
            if detection["why"] == why:
                box = np.array([detection["box"]], float)
                truth = "annotated" if hits(box, known) else "unannotated" if hits(box, every) else "nothing"
                chosen.append(Negative(name, box[0], detection["s1"], detection["s2"], line["case"], truth))
    return chosen


def hits(box: Any, boxes: Any) -> bool:
    return bool(len(boxes) and (overlaps(box, boxes) > 0.5).any())


def counts(found: List[Negative]) -> Dict[str, int]:
    return {truth: sum(negative.truth == truth for negative in found) for truth in ("nothing", "unannotated", "annotated")}


def by_score(found: List[Negative], bounds: Sequence[float]) -> List[Dict[str, int]]:
    """Counts between neighbouring bounds of S1."""
    return [counts([negative for negative in found if low <= negative.s1 < high]) for low, high in zip(bounds, bounds[1:])]
