# SPDX-License-Identifier: Apache-2.0
"""Compares libuldor with the intermediates of another implementation: each stage fed the other's own inputs, and the whole
network. A stage's error is given in units of the standard deviation of the other's output. Needs numpy only."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Sequence, Tuple

import numpy as np
from parity_matching import BOX_PX, MASK_PROBABILITY, SCORE, Arrays, Match, Rules, match

# Limits of the project, in a stage's standard deviations: with direct convolutions only, and with Winograd, which rounds more.
STAGE_LIMITS = {"exact": (1e-5, 1e-4), "fast": (3e-5, 4e-4)}

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

# Stages whose tensors, feature maps aside, have a row for each region.
BY_ROW = ("box_features", "box_head", "mask_features", "mask_head", "paste")


@dataclass
class Error:
    """Root mean square and largest error, relative to the standard deviation of the reference."""

    rms: float = 0.0
    max: float = 0.0

    def worst(self, other: "Error") -> "Error":
        return Error(max(self.rms, other.rms), max(self.max, other.max))

    def within_limits(self, convolutions: str) -> bool:
        """`convolutions`: "exact" or "fast", as the session has them."""
        rms, largest = STAGE_LIMITS[convolutions]
        return self.rms <= rms and self.max <= largest


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


def final(result: Any) -> Dict[str, np.ndarray]:
    """A Result under the names in FINAL."""
    masks = [found.mask_probabilities for found in result]
    return {"boxes": result.boxes, "scores": result.scores, "labels": result.labels,
            "masks28": np.stack(masks) if masks else np.empty((0, 28, 28), np.float32)}


def rules_of(config: Mapping[str, Any]) -> Tuple[Rules, Rules]:
    """Rules of the box head and of the RPN from a model's configuration, with the defaults of docs/weights.md."""
    box, rpn = config.get("box", {}), config.get("rpn", {})
    return (Rules(box.get("score_threshold", 0.05), box.get("nms_threshold", 0.5), box.get("detections", 100)),
            Rules(rpn.get("score_threshold", 0.0), rpn.get("nms_threshold", 0.7), rpn.get("post_nms_top_n", 1000),
                  rpn.get("min_size", 1e-3)))
