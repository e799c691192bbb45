"""From the results of the trainings to the rows of the table."""
import json
from dataclasses import dataclass
from typing import Any, Dict, List, Sequence

from curve import Events, match, read_detections
from mined import Negative, negatives
from plan import ROWS, Training
from sets import DataSet
from truth import Images

HNEM, HNEM_FP = "hnem", "hnem+fp"


@dataclass
class Collected:
    """Of one data set: `events` by truth and row, a curve for each seed; `seeds` those that all rows have."""

    data: DataSet
    trainings: List[Training]
    seeds: List[int]
    images: Dict[str, Images]  # by truth: the test split
    events: Dict[str, Dict[str, List[Events]]]
    ablations: Dict[str, Dict[str, Events]]  # by name, by truth
    negatives: Dict[str, List[Negative]]  # by the name and seed of a training: its last mined set
    spared: Dict[str, List[Negative]]  # likewise: candidates that spare_quantile left out
    results: Dict[str, Dict[str, Any]]  # likewise


def key(training: Training) -> str:
    return f"{training.name}.{training.seed}"


def events_of(training: Training, result: Dict[str, Any], images: Dict[str, Images], append: bool) -> Dict[str, Events]:
    """By truth; held to what the tool said."""
    detections = read_detections(training.folder / "detections.json", images[list(images)[-1]].corners)
    found = {}
    for truth, of in images.items():
        found[truth] = match(of.truth, detections, append)
        found[truth].check(result["froc"][f"{truth}.{'lesion-score' if append else 'ignore'}"])
    return found


def collect(data: DataSet, trainings: Sequence[Training]) -> Collected:
    done = [training for training in trainings if training.done()]
    results = {key(training): json.loads(training.result.read_text()) for training in done}
    seeds = sorted({t.seed for t in done if all(f"{row}.{t.seed}" in results for row in ROWS)})
    images = {truth: Images(data, truth, "test") for truth in data.truths}
    trained = {truth: Images(data, truth, "train") for truth in data.truths}
    first, last = list(data.truths)[0], list(data.truths)[-1]
    rows: Dict[str, Dict[str, List[Events]]] = {truth: {row: [] for row in (*ROWS, HNEM_FP)} for truth in images}
    ablations: Dict[str, Dict[str, Events]] = {}
    chosen: Dict[str, List[Negative]] = {}
    spared: Dict[str, List[Negative]] = {}
    for training in sorted(done, key=lambda t: t.seed):
        if training.name in ROWS and training.seed in seeds:
            for truth, events in events_of(training, results[key(training)], images, False).items():
                rows[truth][training.name].append(events)
        if training.name == HNEM and training.seed in seeds:
            for truth, events in events_of(training, results[key(training)], images, True).items():
                rows[truth][HNEM_FP].append(events)
        if training.name not in ROWS and not training.starts:
            ablations[training.name] = events_of(training, results[key(training)], images, False)
        if training.mines and training.mined.is_file():
            for kept, why in ((chosen, "chosen"), (spared, "spared")):
                kept[key(training)] = negatives(training.mined, trained[first], trained[last], why)
    return Collected(data, list(trainings), seeds, images, rows, ablations, chosen, spared, results)
