# SPDX-License-Identifier: Apache-2.0
"""libuldor against torchvision's intermediates in Tests/fixtures; tools/parity.py does the same at full size."""
from __future__ import annotations

import numpy
import pytest

import parity_matching
import parity_stages
import safetensors_file
import uldor

CASES = [(classes, instructions, convolutions) for classes in (2, 3) for instructions in ("best", "portable")
         for convolutions in ("fast", "exact")]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]} classes, {case[1]}, {case[2]}")
def case(request, root):
    """Session, the reference's tensors, rules, and how it convolves."""
    classes, instructions, convolutions = request.param
    folder = root / "Tests" / "fixtures"
    reference = safetensors_file.load(folder / f"tiny_{classes}class_97x131.safetensors")[0]
    with uldor.Model(folder / f"tiny_{classes}class.safetensors") as model:
        with model.session(threads=2, instructions=instructions, exact=convolutions == "exact",
                           keep_false_positives=True) as session:
            yield (session, reference, parity_stages.stage_inputs(reference, reference["input"]),
                   parity_stages.rules_of(model.config), convolutions)


def test_every_stage(case):
    session, _, named, rules, convolutions = case
    errors = parity_stages.stage_errors(session, named, *rules)
    assert set(errors) == set(uldor.STAGES)
    wrong = {stage: (error.rms, error.max) for stage, error in errors.items() if not error.within_limits(convolutions)}
    assert not wrong


def test_end_to_end(case):
    session, reference, named, (box_rules, _), _ = case
    whole = parity_stages.end_to_end(session.forward(reference["input"]), named, box_rules)
    assert whole.match.unexplained == []
    assert len(whole.match.pairs) >= 95
    assert whole.within_limits, whole


def test_binary_masks(case):
    """Bitmaps of the first detections, bit for bit except where the probability is a tie."""
    session, reference, named, _, _ = case
    result = session.forward(reference["input"])
    for number, expected in enumerate(reference["masks_pasted_binary"]):
        wrong = result[number].mask != expected.astype(bool)
        assert wrong.sum() <= 2, f"detection {number}: {wrong.sum()} pixels"


@pytest.mark.parametrize("kind", ["fp16", "bf16"])
def test_half_precision(root, kind):
    folder = root / "Tests" / "fixtures"
    reference = safetensors_file.load(folder / "tiny_2class_97x131.safetensors")[0]
    theirs = {name: reference[f"{kind}.{name}"] for name in ("boxes", "scores", "labels")}
    with uldor.Model(folder / f"tiny_2class_{kind}.safetensors") as model, model.session() as session:
        _compare_boxes(session.forward(reference["input"]), theirs, parity_stages.rules_of(model.config)[0])


def test_best_class(root):
    folder = root / "Tests" / "fixtures"
    reference = safetensors_file.load(folder / "tiny_3class_97x131.safetensors")[0]
    theirs = {name: reference[f"best_class.{name}"] for name in ("boxes", "scores", "labels")}
    with uldor.Model(folder / "tiny_3class.safetensors") as model, model.session(
            class_rule="best_class", keep_false_positives=True) as session:
        _compare_boxes(session.forward(reference["input"]), theirs, parity_stages.rules_of(model.config)[0])


def _compare_boxes(result, theirs, rules):
    ours = {"boxes": result.boxes, "scores": result.scores, "labels": result.labels}
    found = parity_matching.match(ours, theirs, rules)
    assert found.unexplained == [] and len(found.pairs) >= 95


# ------------------------------------------------------------------- the comparison itself: it must see what is wrong

def boxes(count=30, seed=0):
    random = numpy.random.default_rng(seed)
    corner = random.uniform(0, 400, (count, 2))
    return {"boxes": numpy.concatenate([corner, corner + random.uniform(5, 60, (count, 2))], 1),
            "scores": numpy.sort(random.uniform(0.1, 0.9, count))[::-1], "labels": numpy.ones(count)}


def test_matching_ignores_order():
    theirs = boxes()
    order = numpy.random.default_rng(1).permutation(30)
    ours = {name: value[order] for name, value in theirs.items()}
    found = parity_matching.match(ours, theirs, parity_matching.Rules())
    assert len(found.pairs) == 30 and not found.ties
    assert all(order[left] == right for left, right in found.pairs)


@pytest.mark.parametrize("name, change", [("boxes", 0.06), ("scores", 2e-4), ("labels", 1)])
def test_matching_sees_differences(name, change):
    theirs = boxes()
    ours = {key: value.copy() for key, value in theirs.items()}
    ours[name][7] += change
    found = parity_matching.match(ours, theirs, parity_matching.Rules(), theirs)
    assert len(found.pairs) == 29 and len(found.unexplained) == 2


def test_matching_sees_a_lost_and_an_extra_box():
    theirs = boxes()
    ours = {name: numpy.delete(value, 12, axis=0) for name, value in theirs.items()}
    assert len(parity_matching.match(ours, theirs, parity_matching.Rules(), theirs).unexplained) == 1
    assert len(parity_matching.match(theirs, ours, parity_matching.Rules(), theirs).unexplained) == 1


def test_ties_are_explained():
    theirs = boxes()
    last = float(theirs["scores"][-1])
    without_last = {name: value[:-1] for name, value in theirs.items()}
    at_threshold = parity_matching.match(without_last, theirs, parity_matching.Rules(score_threshold=last - 5e-6))
    assert at_threshold.ties == 1 and not at_threshold.unexplained
    # A side at the least that is kept, and one that is not.
    for width, ties in ((0.01008, 1), (0.0104, 0)):
        narrow = {name: value.copy() for name, value in theirs.items()}
        narrow["boxes"][4, 2] = narrow["boxes"][4, 0] + width
        without = {name: numpy.delete(value, 4, axis=0) for name, value in theirs.items()}
        assert len(parity_matching.match(without, narrow, parity_matching.Rules()).unexplained) == 1 - ties
    # Two boxes of equal score that suppress each other: each side keeps another one.
    twin = {name: value.copy() for name, value in theirs.items()}
    twin["boxes"][5] += 1.0
    twin["scores"][5] += 5e-6
    both = {name: numpy.concatenate([twin[name], theirs[name]]) for name in theirs}
    swapped = parity_matching.match(twin, theirs, parity_matching.Rules(), both)
    assert swapped.ties == 2 and not swapped.unexplained


def test_candidates_are_torchvisions(root):
    """Every detection of the reference is among the candidates that are made from its own logits and deltas."""
    for classes in (2, 3):
        reference = safetensors_file.load(root / "Tests" / "fixtures" / f"tiny_{classes}class_97x131.safetensors")[0]
        named = parity_stages.stage_inputs(reference, reference["input"])
        found = parity_matching.match(parity_stages.candidates(named), named, parity_matching.Rules())
        assert not found.theirs_alone and len(found.pairs) == len(reference["boxes"])


def test_errors_are_relative_to_the_spread():
    theirs = numpy.random.default_rng(2).normal(5, 3, (50, 60)).astype(numpy.float32)
    error = parity_stages.relative_error(theirs + numpy.float32(3e-3), theirs)
    assert error.rms == pytest.approx(1e-3, rel=0.05) and not error.within_limits("fast")
    assert parity_stages.relative_error(theirs, theirs) == parity_stages.Error()
    with pytest.raises(ValueError, match="shape"):
        parity_stages.relative_error(theirs[1:], theirs)
