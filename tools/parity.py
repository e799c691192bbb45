#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures libuldor against torchvision: every stage on torchvision's own inputs, and the network end to end.

    parity.py --arch resnet50 --classes 2 3 --sizes 512x512 97x131 --scratch build/parity --markdown

Weights and references are made once and kept in the scratch directory. That takes torch; comparing takes numpy only, and
the functions here are also what Tests/python/test_parity.py uses.

Two float32 programs differ from each other by the rounding of both. The table therefore also says how far each of them is
from torchvision in float64: where torchvision's own distance reaches a limit, so may libuldor's from torchvision.

A stage's error is given in units of the standard deviation of torchvision's output. Detections and proposals are matched
without regard to order. One that has no partner counts as explained only where a rounding error decides about it: its score
lies at the threshold or at the cut of the best N, its overlap lies at the NMS threshold, it swaps ranks with an equal
score that suppresses it, or something explained suppresses it. A detection that torchvision does not even have among its
candidates before NMS is wrong, not a tie.
"""
from __future__ import annotations

import argparse
import csv
import itertools
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
Arrays = Mapping[str, np.ndarray]

# Limits of the project: errors relative to a stage's standard deviation, then those of detections end to end.
STAGE_RMS, STAGE_MAX = 1e-5, 1e-4
BOX_PX, SCORE, MASK_PROBABILITY = 0.05, 1e-4, 1e-3
# What rounding may decide: scores closer than this are equal, overlaps closer than this to the threshold lie on it.
TIE = 1e-5

P = [f"p{level}" for level in range(2, 7)]
RPN = [f"{kind}.{level}" for kind in ("objectness", "deltas") for level in range(5)]

# Stage: names of inputs, names of outputs, as in include/uldor.h.
STAGES: Dict[str, Tuple[List[str], List[str]]] = {
    "c2": (["input"], ["c2"]),
    "c3": (["c2"], ["c3"]),
    "c4": (["c3"], ["c4"]),
    "c5": (["c4"], ["c5"]),
    "fpn": (["c2", "c3", "c4", "c5"], P),
    "rpn": (P, RPN),
    "proposals": (RPN + ["size"], ["proposals", "proposal_scores"]),
    "box_features": (P[:4] + ["proposals", "size"], ["box_features"]),
    "box_head": (["box_features"], ["box_logits", "box_deltas"]),
    "detections": (["box_logits", "box_deltas", "proposals", "size"], ["boxes", "scores", "labels"]),
    "mask_features": (P[:4] + ["boxes", "size"], ["mask_features"]),
    "mask_head": (["mask_features"], ["mask_logits"]),
    "paste": (["masks", "boxes", "size"], ["pasted"]),
}


# What is left at the end of the network.
FINAL = ("boxes", "scores", "labels", "masks28")
# Stages whose tensors, feature maps aside, have a row for each region.
BY_ROW = ("box_features", "box_head", "mask_features", "mask_head", "paste")


@dataclass
class Rules:
    """What decides which boxes survive: of the box head, or of the RPN."""

    score_threshold: float = 0.05
    nms_threshold: float = 0.5
    limit: int = 100


@dataclass
class Error:
    """Root mean square and largest error, relative to the standard deviation of the reference."""

    rms: float = 0.0
    max: float = 0.0

    def worst(self, other: "Error") -> "Error":
        return Error(max(self.rms, other.rms), max(self.max, other.max))

    @property
    def within_limits(self) -> bool:
        return self.rms <= STAGE_RMS and self.max <= STAGE_MAX


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


@dataclass
class EndToEnd:
    """Largest differences over the matched detections: pixels, probability, probability, and bitmap pixels that differ
    although the probability there is no tie and the mask lies at the same integer box."""

    match: Match
    box: float = 0.0
    score: float = 0.0
    mask: float = 0.0
    wrong_pixels: int = 0

    @property
    def within_limits(self) -> bool:
        return (not self.match.unexplained and self.box <= BOX_PX and self.score <= SCORE
                and self.mask <= MASK_PROBABILITY and self.wrong_pixels == 0)


def relative_error(ours: np.ndarray, theirs: np.ndarray) -> Error:
    """Error of `ours` in standard deviations of `theirs`; shapes must agree."""
    if ours.shape != theirs.shape:
        raise ValueError(f"shape {ours.shape}, the reference has {theirs.shape}")
    if theirs.size == 0:
        return Error()
    difference = np.abs(ours.astype(np.float64) - theirs.astype(np.float64))
    # A constant output has no spread; its size is the measure then.
    scale = float(theirs.std(dtype=np.float64)) or float(np.abs(theirs).max()) or 1.0
    return Error(float(np.sqrt(np.mean(difference**2))) / scale, float(difference.max()) / scale)


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
        box = ", ".join(f"{value:.3f}" for value in own["boxes"][index])
        out.unexplained.append(f"{side} only: class {own['labels'][index]}, score {own['scores'][index]:.7f}, box {box}")


def _is_tie(own: Arrays, index: int, other: Arrays, rivals: np.ndarray, explained: Sequence[int], rules: Rules) -> bool:
    """Whether rounding may be why `other`, of which `rivals` are sound, lacks this one of `own`."""
    score, box, label = float(own["scores"][index]), own["boxes"][index], own["labels"][index]
    if abs(score - rules.score_threshold) <= TIE:
        return True
    if len(other["scores"]) >= rules.limit and abs(score - float(other["scores"].min())) <= TIE:
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


def stage_inputs(reference: Arrays, tensor: np.ndarray, divisor: int = 32) -> Dict[str, np.ndarray]:
    """The reference's tensors under the names of the stages. `tensor` is what the network was given, C x H x W."""
    named = {name: np.asarray(value) for name, value in reference.items()}
    size = tensor.shape[1:]
    padded = np.pad(tensor, ((0, 0), (0, -size[0] % divisor), (0, -size[1] % divisor)))
    named["input"] = padded[None]
    named["size"] = np.array([*size, *padded.shape[1:]], np.float32)
    side = named["masks28"].shape[-1]
    named["masks"] = named["masks28"].reshape(-1, side, side)
    named["pasted"] = named["masks_pasted"].reshape(-1, *size)
    return named


def _rows(stage: str, named: Arrays) -> Dict[str, np.ndarray]:
    """A stage's tensors, cut to the rows that all of them have: the references in Tests/fixtures keep the first rows only
    of what is large."""
    names = [name for group in STAGES[stage] for name in group]
    if stage not in BY_ROW:
        return {name: named[name] for name in names}
    regions = [name for name in names if name != "size" and name not in P]
    count = min(len(named[name]) for name in regions)
    return {name: named[name][:count] if name in regions else named[name] for name in names}


def stage_errors(session: Any, named: Arrays, box_rules: Rules, rpn_rules: Rules) -> Dict[str, Error]:
    """Each stage's error when it is fed the reference's inputs. Raises ValueError for boxes that differ and are no tie."""
    errors: Dict[str, Error] = {}
    for stage, (inputs, outputs) in STAGES.items():
        tensors = _rows(stage, named)
        computed = session.run_stage(stage, {name: tensors[name] for name in inputs})
        if stage in ("proposals", "detections"):
            errors[stage] = _box_error(stage, computed, named, rpn_rules if stage == "proposals" else box_rules)
            continue
        error = Error()
        for name in outputs:
            error = error.worst(relative_error(computed[name], tensors[name]))
        errors[stage] = error
    return errors


def candidates(named: Arrays, weights: Sequence[float] = (10, 10, 5, 5)) -> Dict[str, np.ndarray]:
    """Every class of every proposal before threshold and NMS, as torchvision's BoxCoder and softmax make them; float64."""
    logits = named["box_logits"].astype(np.float64)
    scores = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores /= scores.sum(axis=1, keepdims=True)
    count, classes = scores.shape
    proposals = named["proposals"].astype(np.float64)
    deltas = named["box_deltas"].astype(np.float64).reshape(count, classes, 4) / np.asarray(weights, np.float64)
    size = (proposals[:, 2:] - proposals[:, :2])[:, None]
    centre = proposals[:, None, :2] + 0.5 * size + deltas[..., :2] * size
    half = 0.5 * np.exp(np.minimum(deltas[..., 2:], np.log(1000 / 16))) * size
    height, width = named["size"][:2]
    boxes = np.clip(np.concatenate([centre - half, centre + half], axis=2), 0, [width, height, width, height])
    labels = np.broadcast_to(np.arange(classes), (count, classes))
    return {"boxes": boxes[:, 1:].reshape(-1, 4), "scores": scores[:, 1:].ravel(), "labels": labels[:, 1:].ravel()}


def _boxes_of(tensors: Arrays, stage: str) -> Dict[str, np.ndarray]:
    if stage == "detections":
        boxes = np.asarray(tensors["boxes"]).reshape(-1, 4)
        return {"boxes": boxes, "scores": tensors["scores"].reshape(-1), "labels": tensors["labels"].reshape(-1)}
    boxes = np.asarray(tensors["proposals"]).reshape(-1, 4)
    return {"boxes": boxes, "scores": tensors["proposal_scores"].reshape(-1), "labels": np.zeros(len(boxes))}


def _box_error(stage: str, computed: Arrays, named: Arrays, rules: Rules) -> Error:
    ours, theirs = _boxes_of(computed, stage), _boxes_of(named, stage)
    found = match(ours, theirs, rules, candidates(named) if stage == "detections" else None)
    if found.unexplained:
        raise ValueError(f"{stage}: " + "; ".join(found.unexplained[:4]))
    if not found.pairs:
        return Error()
    left, right = (np.array(side) for side in zip(*found.pairs))
    error = Error()
    for name in ("boxes", "scores"):
        error = error.worst(relative_error(ours[name][left], theirs[name][right]))
    return error


def expanded_box(box: np.ndarray, side: int) -> np.ndarray:
    """The integer box that torchvision pastes a mask into: expanded by (side + 2) / side, cut to integers."""
    box = box.astype(np.float32)
    centre, half = (box[2:] + box[:2]) * np.float32(0.5), (box[2:] - box[:2]) * np.float32(0.5)
    half = half * np.float32((side + 2) / side)
    return np.trunc(np.concatenate([centre - half, centre + half])).astype(np.int64)


def end_to_end(result: Any, named: Arrays, rules: Rules, mask_threshold: float = 0.5) -> EndToEnd:
    """What Session.forward() found, against the reference's last outputs."""
    ours = {"boxes": result.boxes, "scores": result.scores, "labels": result.labels}
    theirs = _boxes_of(named, "detections")
    out = EndToEnd(match(ours, theirs, rules, candidates(named)))
    side = named["masks"].shape[-1]
    for left, right in out.match.pairs:
        found = result[left]
        out.box = max(out.box, float(np.abs(ours["boxes"][left] - theirs["boxes"][right]).max()))
        out.score = max(out.score, abs(float(ours["scores"][left]) - float(theirs["scores"][right])))
        if right < len(named["masks"]):
            out.mask = max(out.mask, float(np.abs(found.mask_probabilities - named["masks"][right]).max()))
        # Where rounding moves an edge of the integer box across a whole number, the mask is pasted one pixel off.
        places = [expanded_box(box, side) for box in (ours["boxes"][left], theirs["boxes"][right])]
        if right < len(named["pasted"]) and np.array_equal(*places):
            pasted = named["pasted"][right]
            wrong = (found.mask != (pasted > mask_threshold)) & (np.abs(pasted - mask_threshold) > MASK_PROBABILITY)
            out.wrong_pixels += int(wrong.sum())
    return out


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


def final(result: Any) -> Dict[str, np.ndarray]:
    """A Result under the names in FINAL."""
    masks = [found.mask_probabilities for found in result]
    return {"boxes": result.boxes, "scores": result.scores, "labels": result.labels,
            "masks28": np.stack(masks) if masks else np.empty((0, 28, 28), np.float32)}


def rules_of(config: Mapping[str, Any]) -> Tuple[Rules, Rules]:
    """Rules of the box head and of the RPN from a model's configuration, with the defaults of docs/weights.md."""
    box, rpn = config.get("box", {}), config.get("rpn", {})
    return (Rules(box.get("score_threshold", 0.05), box.get("nms_threshold", 0.5), box.get("detections", 100)),
            Rules(rpn.get("score_threshold", 0.0), rpn.get("nms_threshold", 0.7), rpn.get("post_nms_top_n", 1000)))


def read_safetensors(path: Path) -> Dict[str, np.ndarray]:
    """Tensors of a safetensors file of plain numpy types."""
    types = {"F32": "<f4", "F64": "<f8", "F16": "<f2", "I32": "<i4", "I64": "<i8", "U8": "u1"}
    data = Path(path).read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    found = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        found[name] = np.frombuffer(data[start + begin:start + end], types[entry["dtype"]]).reshape(entry["shape"])
    return found


def _is_well_conditioned(single: Arrays, double: Arrays, rules: Rules) -> bool:
    """Whether torchvision in float32 and in float64 finds the same, within half of the limits: else a comparison with
    the former measures its rounding."""
    pairs = match(single, double, rules).pairs
    if len(pairs) != len(single["scores"]) or len(pairs) != len(double["scores"]):
        return False
    return all(got <= limit / 2 for got, limit in zip(distance(single, double, rules), (BOX_PX, SCORE, MASK_PROBABILITY)))


def _weights(scratch: Path, arch: str, classes: int, seed: int) -> Path:
    import make_weights

    weights = scratch / f"{arch}_{classes}class.safetensors"
    if not weights.exists():
        scratch.mkdir(parents=True, exist_ok=True)
        make_weights.make(weights, make_weights.architecture(arch, classes, make_weights.FULL),
                          make_weights.configuration(arch, classes, False), (512, 512), seed)
    return weights


def _reference(weights: Path, inputs: Iterable[Tuple[str, np.ndarray]]) -> Tuple[str, np.ndarray, Arrays]:
    """Name, tensor and torchvision's intermediates of the first of the named inputs on which torchvision is well
    conditioned; kept beside the weights."""
    import torch
    import torchvision_model
    import torchvision_reference

    for name, tensor in inputs:
        stored = weights.with_name(f"{weights.stem}_{name}.npz")
        if not stored.exists():
            with torch.no_grad():
                double, config = torchvision_model.load(weights, torch.float64)
                exact = torchvision_reference.intermediates(double, torch.from_numpy(tensor).double())
            exact = {name: exact[name].numpy() for name in FINAL}
            parts = torchvision_reference.reference(weights, tensor)
            rules = Rules(*(config[f"box.{name}"] for name in ("score_threshold", "nms_threshold", "detections")))
            if not _is_well_conditioned(parts, exact, rules):
                parts = {}
            else:
                # The stem is not a stage of its own.
                del parts["stem"]
                parts.update({f"float64.{name}": value for name, value in exact.items()})
            np.savez(stored, **parts)
        arrays = dict(np.load(stored))
        if arrays:
            return name, tensor, arrays
    raise SystemExit(f"parity: {weights.stem}: no input on which torchvision in float32 agrees with itself in float64")


def _synthetic(text: str, seed: int) -> Iterator[Tuple[str, np.ndarray]]:
    """CT-like inputs of a size, HEIGHTxWIDTH."""
    from synthetic_slice import ct_like

    height, width = (int(side) for side in text.split("x"))
    for input_seed in range(seed + 1, seed + 100):
        yield f"{text} #{input_seed}", ct_like(height, width, 3, input_seed)


def _key_slices(folder: Path, weights: Path) -> Iterator[Tuple[str, np.ndarray]]:
    """The network's input for each key slice of a DeepLesion folder (Images_png, DL_info.csv), by the library itself."""
    import cv2
    import uldor

    with open(folder / "DL_info.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        series, slice_name = row["File_name"].rsplit("_", 1)
        spacing_x, spacing_y, interval = (float(part) for part in row["Spacing_mm_px_"].split(","))
        key = int(slice_name[:3])
        paths = [folder / "Images_png" / series / f"{number:03d}.png" for number in range(max(key - 20, 1), key + 21)]
        slices = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) if path.is_file() else None for path in paths]
        with uldor.Model(weights) as model, model.session() as session:
            tensor, _ = session.input(slices, "normalised", key_slice=paths.index(folder / "Images_png" / series / slice_name),
                                      spacing=(spacing_x, spacing_y), slice_interval=interval, intercept=-32768)
        # The calibrated random weights were made for inputs of about this spread.
        yield f"{series} {key}", np.ascontiguousarray((tensor - tensor.mean()) / tensor.std())


def _print_table(rows: Sequence[Sequence[str]], markdown: bool) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for number, row in enumerate(rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths)]
        print("| " + " | ".join(cells) + " |" if markdown else "  ".join(cells).rstrip(), flush=True)
        if number == 0 and markdown:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def main(arguments: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", nargs="+", default=["resnet50"])
    parser.add_argument("--classes", nargs="+", type=int, default=[2])
    parser.add_argument("--sizes", nargs="+", default=["512x512"], help="HEIGHTxWIDTH")
    parser.add_argument("--deeplesion", type=Path, help="folder with DL_info.csv and Images_png: its key slices, too")
    parser.add_argument("--scratch", type=Path, default=ROOT / "build" / "parity")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--instructions", nargs="+", default=["best"], choices=["best", "portable"])
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args(arguments)
    for path in (str(ROOT / "examples" / "python" / "src"), str(ROOT / "tools")):
        sys.path.insert(0, path)
    import uldor

    networks = [["network", "classes", "input", "instructions", "worst stage, rms / max of std", "detections", "ties",
                 "boxes px", "scores", "masks", "within limits", "libuldor to float64", "torchvision to float64"]]
    worst: Dict[str, Tuple[Error, str]] = {}
    failed = False
    for arch, classes in itertools.product(options.arch, options.classes):
        weights = _weights(options.scratch, arch, classes, options.seed)
        inputs = [_synthetic(text, options.seed) for text in options.sizes]
        if options.deeplesion:
            inputs.append(_key_slices(options.deeplesion, weights))
        references = (_reference(weights, choices) for choices in inputs)
        for (name, tensor, reference), instructions in itertools.product(references, options.instructions):
            named = stage_inputs(reference, tensor)
            where = f"{arch}, {classes} classes, {name}, {instructions}"
            print(where, file=sys.stderr, flush=True)
            with uldor.Model(weights) as model, model.session(instructions=instructions) as session:
                box_rules, rpn_rules = rules_of(model.config)
                errors = stage_errors(session, named, box_rules, rpn_rules)
                result = session.forward(tensor)
                whole = end_to_end(result, named, box_rules)
                exact = {name: named[f"float64.{name}"] for name in FINAL}
                distances = [" / ".join(f"{value:.0e}" for value in distance(side, exact, box_rules))
                             for side in (final(result), named)]
            for line in whole.match.unexplained:
                print(f"  {line}", file=sys.stderr)
            for stage, error in errors.items():
                before, place = worst.get(stage, (Error(-1, -1), ""))
                worst[stage] = error.worst(before), where if error.max > before.max else place
            good = whole.within_limits and all(error.within_limits for error in errors.values())
            failed = failed or not good
            stage = max(errors, key=lambda name: errors[name].rms)
            networks.append([arch, str(classes), name, instructions,
                             f"{stage} {errors[stage].rms:.1e} / {errors[stage].max:.1e}",
                             f"{len(whole.match.pairs)} of {len(named['scores'])}", str(whole.match.ties),
                             f"{whole.box:.1e}", f"{whole.score:.1e}", f"{whole.mask:.1e}", "yes" if good else "NO",
                             *distances])
    stages = [["stage", "worst rms / std", "worst max / std", "largest in"]]
    stages += [[stage, f"{error.rms:.1e}", f"{error.max:.1e}", where] for stage, (error, where) in worst.items()]
    _print_table(networks, options.markdown)
    print()
    _print_table(stages, options.markdown)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
