# SPDX-License-Identifier: Apache-2.0
"""What is mined, against the rule in mining_reference.py; draws; options."""
from __future__ import annotations

import json
from collections import Counter

import mining_data
import mining_reference as reference
import numpy
import pytest
from mining_data import lines, mined, set_of
from scipy import stats

import uldor

DEFAULTS = dict(good_iou=0.3, min_score=0.7, most=3, boxes_only=False, spare_quantile=1.0, score_threshold=0.05)


@pytest.fixture(scope="module")
def models(weights, weights3, tmp_path_factory):
    """Small random networks by name."""
    folder = tmp_path_factory.mktemp("weights")
    made = {
        "two": mining_data.weights(folder / "two", weights), "tied": mining_data.weights(folder / "tied", weights, tied=True),
        "three": mining_data.weights(folder / "three", weights3),
        "best": mining_data.weights(folder / "best", weights3, rule="best_class"),
    }
    loaded = {name: uldor.Model(path) for name, path in made.items()}
    yield loaded
    for model in loaded.values():
        model.close()


@pytest.fixture(scope="module")
def few(models):
    """Some slices that are mined quickly."""
    with mining_data.source(models["two"], 24, 77) as made:
        yield made


# What is run, and on how many slices; over a thousand together, those without lesions and of other splits not counted.
RUNS = [
    ("two", 400, dict(score_threshold=0.0, min_score=0.5)),
    ("two", 250, dict(good_iou=0.5, min_score=0.55, most=1, score_threshold=0.3)),
    ("tied", 130, dict(score_threshold=0.0, min_score=0.4)),
    ("three", 250, dict(score_threshold=0.0, min_score=0.3, most=2)),
    ("best", 250, dict(score_threshold=0.0, min_score=0.3, spare_quantile=0.8)),
]


def lesions_of(data, model, index):
    """The lesions at the resolution of the network's input, and its size."""
    example = data.example(model, index)
    height, width = (int(side) for side in example["size"])
    found = []
    for box, label, has_mask, mask in zip(example["boxes"], example["labels"], example["has_mask"], example["masks"]):
        if label == 1:
            found.append(reference.Lesion(box, mask[:height, :width] > 0 if has_mask else None))
    return found, height, width


def check_image(line, data, model, session, index, options, seen):
    """One line of the file against the detections of a session and the reference."""
    slices = data.read_image(index)
    lesions, height, width = lesions_of(data, model, index)
    _, info = session.input(slices.image, "normalised", **slices.arguments)
    assert (info.input_height, info.input_width) == (height, width)
    with session.detect(slices.image, **slices.arguments) as result:
        found = [d for d in result if d.label == 1]
        seen["of class false positive"] += len(result) - len(found)
        assert len(line["detections"]) == len(found)
        values = []
        for entry, detection in zip(line["detections"], found):
            assert numpy.float32(entry["s1"]) == numpy.float32(detection.lesion_probability)
            numpy.testing.assert_allclose(entry["box"], detection.box, rtol=0, atol=1e-9)
            scale, corner = numpy.array([info.scale_x, info.scale_y] * 2), numpy.array([info.crop_left, info.crop_top] * 2)
            box = ((numpy.array(detection.box) - corner) * scale).astype(numpy.float32)
            pasted = reference.paste(detection.mask_probabilities, box, height, width)
            low, high = reference.s2(pasted, box, lesions)
            assert low - 1e-6 <= entry["s2"] <= high + 1e-6, (line["image"], entry, low, high)
            seen["doubtful S2"] += high - low > 1e-6
            seen["empty masks"] += not (pasted > 0.5).any()
            check_mask(entry, pasted, info, options, seen)
            values.append((entry["s1"], entry["s2"], entry["why"]))
    check_rule(line, values, options, seen)
    seen["images"] += 1
    seen["several lesions"] += len(lesions) > 1
    seen["lesions without a mask"] += any(lesion.mask is None for lesion in lesions)
    seen["lesions with a mask"] += any(lesion.mask is not None for lesion in lesions)
    seen["cropped"] += (info.crop_left, info.crop_top) != (0, 0)


def check_mask(entry, pasted, info, options, seen):
    is_candidate = entry["why"] in ("chosen", "not drawn", "spared")
    if not is_candidate or options.get("boxes_only"):
        assert "mask" not in entry
        return
    wanted = numpy.where(abs(pasted - 0.5) < reference.NARROW, -1, pasted > 0.5)
    if "mask" not in entry:
        assert not (wanted == 1).any()
        seen["empty masks mined"] += 1
        return
    fields = entry["mask"]
    assert sum(fields["counts"]) == fields["width"] * fields["height"] and min(fields["counts"][1:]) > 0
    cells = numpy.repeat(numpy.arange(len(fields["counts"])) % 2 == 1, fields["counts"]).reshape(fields["width"], fields["height"]).T
    assert cells.any()
    numpy.testing.assert_allclose([fields["dx"], fields["dy"]], [1 / info.scale_x, 1 / info.scale_y], rtol=1e-9)
    left, top = (fields["x"] - info.crop_left) * info.scale_x, (fields["y"] - info.crop_top) * info.scale_y
    assert abs(left - round(left)) < 1e-6 and abs(top - round(top)) < 1e-6
    whole = numpy.zeros(pasted.shape, int)
    whole[round(top):round(top) + fields["height"], round(left):round(left) + fields["width"]] = cells
    assert ((whole == wanted) | (wanted == -1)).all()
    seen["masks"] += 1


def check_rule(line, values, options, seen):
    s1, s2, why = zip(*values) if values else ((), (), ())
    case, judged = reference.judge(s1, s2, options["good_iou"], options["min_score"])
    assert line["case"] == case and [w if w in ("good", "low") else "candidate" for w in why] == judged, line
    open_ = sum(w in ("chosen", "not drawn") for w in why)
    assert why.count("chosen") == reference.drawn(open_, options["most"]), line
    seen[f"case {case}"] += 1
    seen["fewer than m"] += 0 < open_ < options["most"]
    seen["as many as m"] += open_ == options["most"]
    seen["more than m"] += open_ > options["most"]
    good = [score for score, w in zip(s1, why) if w == "good"]
    best = max(good, default=None)
    seen["ties with the best good one"] += any(w == "low" and score == best for score, w in zip(s1, why))
    seen["ties of good ones"] += good.count(best) > 1 if good else 0
    seen["good below the best"] += len(set(good)) > 1


@pytest.fixture(scope="module")
def compared(models, tmp_path_factory):
    """Every run compared, image by image; what occurred in them."""
    folder, seen = tmp_path_factory.mktemp("runs"), Counter()
    for seed, (name, count, options) in enumerate(RUNS):
        model, whole, path = models[name], {**DEFAULTS, **options}, folder / f"{seed}.jsonl"
        with mining_data.source(model, count, seed, classes=name == "three") as data, \
                model.session(threads=1, score_threshold=whole["score_threshold"], keep_false_positives=True) as session:
            info = uldor.mine(model, data, path, seed=seed, threads=2, **options)
            first, *entries, last = lines(path)
            assert first["uldor_mined"] == 1 and first["images"] == last["images"] == len(entries) == info.images and last["end"] is True
            wanted = [i for i, image in data.images("train") if any(x.class_index == 1 for x in data.lesions(i))]
            assert [line["image"] for line in entries] == [data.image(i).name for i in wanted]
            for line, index in zip(entries, wanted):
                assert line["lesions"] == sum(x.class_index == 1 for x in data.lesions(index))
                check_image(line, data, model, session, index, whole, seen)
            check_counts(info, entries, last)
            check_spared(entries, whole["spare_quantile"], seen)
    return seen


def check_counts(info, entries, last):
    why = Counter(found["why"] for line in entries for found in line["detections"])
    assert info.images_found == sum(line["case"] == "a" for line in entries)
    assert info.detections == why.total() and info.good == why["good"] and info.spared == why["spared"]
    assert info.candidates == why["chosen"] + why["not drawn"] and info.mined == why["chosen"] == last["mined"]
    assert info.resumed == info.skipped_images == 0


def check_spared(entries, quantile, seen):
    """Candidates are spared that score above a quantile of the best good ones of all images."""
    best = [max(d["s1"] for d in line["detections"] if d["why"] == "good") for line in entries if line["case"] == "a"]
    limit = numpy.quantile(best, quantile) if quantile < 1 else 2
    for line in entries:
        for found in line["detections"]:
            if found["why"] in ("chosen", "not drawn", "spared"):
                assert (found["why"] == "spared") == (found["s1"] > limit), (line, limit)
                seen["spared"] += found["why"] == "spared"


def test_equal_to_the_rule(compared):
    """Over a thousand slices, each detection's S1, S2, case and what became of it, and its mask."""
    assert compared["images"] >= 1000


@pytest.mark.parametrize("what", [
    "case a", "case b", "fewer than m", "as many as m", "more than m", "ties with the best good one", "ties of good ones",
    "good below the best", "several lesions", "lesions without a mask", "lesions with a mask", "empty masks", "empty masks mined", "masks",
    "cropped", "of class false positive", "spared"])
def test_what_the_slices_have(compared, what):
    """The comparison has met it."""
    assert compared[what] >= 5, compared


def test_hardly_any_s2_is_in_doubt(compared):
    assert compared["doubtful S2"] < 0.01 * compared["images"] * 8, compared


def test_defaults():
    """The package's are the header's."""
    raw = uldor.mining.defaults(uldor._abi.mining_options)
    assert {name: getattr(raw, name) for name in uldor.Mining._fields} == uldor.Mining()._asdict()
    assert (raw.seed, raw.epoch, raw.split, raw.resume, raw.on_bad_image, raw.threads, raw.exact) == (0, 0, 1, 0, 0, 0, 0)


@pytest.mark.parametrize("options", [
    dict(threads=1, streams=1), dict(threads=1, streams=3), dict(threads=4, streams=1), dict(threads=2, streams=8),
    dict(threads=3), dict(instructions="avx2", threads=2)])
def test_same_bytes(models, few, tmp_path, options):
    wanted = mined(tmp_path / "a", models["two"], few, min_score=0.4)
    try:
        assert mined(tmp_path / "b", models["two"], few, min_score=0.4, **options) == wanted
    except uldor.Unsupported:
        pytest.skip("no AVX2 here")


def test_draws(models, few, tmp_path):
    """Other seeds and epochs draw others from the same candidates; the same ones the same."""
    options = dict(min_score=0.3, good_iou=0.9, most=2)
    drawn, candidates = [], []
    for keys in (dict(), dict(seed=1), dict(epoch=1), dict(seed=2**64 - 1), dict(epoch=2**40)):
        first = mined(tmp_path / "a", models["two"], few, **options, **keys)
        assert mined(tmp_path / "b", models["two"], few, **options, **keys) == first
        drawn.append(set_of(tmp_path / "a"))
        candidates.append(sorted(drawn[-1] + set_of(tmp_path / "a", "not drawn")))
    assert all(other == candidates[0] for other in candidates)
    assert all(a != b for number, a in enumerate(drawn) for b in drawn[:number])
    assert all(len(other) == len(drawn[0]) for other in drawn)


def test_draws_are_even(models, tmp_path):
    """Each candidate is drawn as often as another, whatever its place, over many epochs and images."""
    drawn, expected = [], []
    with mining_data.source(models["two"], 6, 5) as data:
        counts = {}
        for epoch in range(150):
            mined(tmp_path / "a", models["two"], data, min_score=0.0, good_iou=1.0, most=3, score_threshold=0.0, epoch=epoch)
            for line in lines(tmp_path / "a")[1:-1]:
                counts.setdefault(line["image"], []).append([found["why"] == "chosen" for found in line["detections"]])
    for rows in counts.values():
        chosen = numpy.array(rows)
        assert (chosen.sum(1) == 3).all()
        drawn.append(chosen.sum(0))
        expected.append(numpy.full(chosen.shape[1], chosen.sum() / chosen.shape[1]))
    drawn, expected = numpy.concatenate(drawn), numpy.concatenate(expected)
    # Without replacement: the spread is that of a binomial law less the part that is drawn.
    statistic = ((drawn - expected) ** 2 / expected).sum() / (1 - 3 / 10)
    assert len(drawn) > 40 and 1e-3 < stats.chi2.sf(statistic, len(drawn) - len(counts)) < 0.999


def test_boxes_only(models, few, tmp_path):
    with_masks = mined(tmp_path / "a", models["two"], few, min_score=0.3)
    without = mined(tmp_path / "b", models["two"], few, min_score=0.3, boxes_only=True)
    assert b'"mask"' in with_masks and b'"mask"' not in without
    bare = [{**line, "detections": [{k: v for k, v in found.items() if k != "mask"} for found in line["detections"]]}
            if "detections" in line else line for line in lines(tmp_path / "a")]
    assert {**bare[0], "boxes_only": True} == lines(tmp_path / "b")[0] and bare[1:] == lines(tmp_path / "b")[1:]


def test_nothing_is_drawn(models, few, tmp_path):
    assert uldor.mine(models["two"], few, tmp_path / "a", most=0, min_score=0.3).mined == 0
    assert set_of(tmp_path / "a") == [] != set_of(tmp_path / "a", "not drawn")


def test_read_mined(models, few, tmp_path):
    mined(tmp_path / "a", models["two"], few, min_score=0.3)
    found = list(uldor.read_mined(tmp_path / "a"))
    for image, line in zip(found, lines(tmp_path / "a")[1:-1], strict=True):
        assert (image.image, image.lesions, image.case) == (line["image"], line["lesions"], line["case"])
        for detection, entry in zip(image.detections, line["detections"], strict=True):
            assert list(detection.box) == entry["box"] and detection[1:4] == (entry["s1"], entry["s2"], entry["why"])
            if detection.mask is not None:
                assert detection.mask.cells.shape == (entry["mask"]["height"], entry["mask"]["width"])
                assert detection.mask.cells.sum() == sum(entry["mask"]["counts"][1::2])
    assert any(detection.mask is not None for image in found for detection in image.detections)
    whole = (tmp_path / "a").read_text().splitlines(keepends=True)
    (tmp_path / "b").write_text("".join(whole[:-1]))
    with pytest.raises(uldor.FormatError, match="last line is missing"):
        list(uldor.read_mined(tmp_path / "b"))
    (tmp_path / "b").write_text("".join([whole[0], json.dumps({"image": 3}) + "\n", whole[-1]]))
    with pytest.raises(uldor.FormatError, match="b':2: "):
        list(uldor.read_mined(tmp_path / "b"))


@pytest.mark.parametrize("name, value", [
    ("good_iou", -0.1), ("good_iou", 1.1), ("good_iou", numpy.nan), ("min_score", -0.1), ("min_score", 1.1), ("min_score", numpy.nan),
    ("most", -1), ("most", 1001), ("spare_quantile", -0.1), ("spare_quantile", 1.1), ("spare_quantile", numpy.nan),
    ("score_threshold", -0.1), ("score_threshold", 1.1), ("score_threshold", numpy.nan), ("threads", -1), ("threads", 1025),
    ("streams", -1), ("streams", 65), ("epoch", -1)])
def test_ranges(models, few, tmp_path, name, value):
    with pytest.raises(uldor.InvalidArgument, match=rf"options\.{name} is "):
        uldor.mine(models["two"], few, tmp_path / "a", **{name: value})
    assert not list(tmp_path.iterdir())


def test_nothing_to_mine(models, few, tmp_path):
    with pytest.raises(uldor.InvalidArgument, match="no image"):
        uldor.mine(models["two"], few, tmp_path / "a", split="validation")
    with pytest.raises(uldor.FileError, match="nowhere"):
        uldor.mine(models["two"], few, tmp_path / "nowhere" / "a")
    with pytest.raises(TypeError, match="iou"):
        uldor.mine(models["two"], few, tmp_path / "a", iou=1)
    assert not list(tmp_path.iterdir())
