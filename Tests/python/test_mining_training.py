# SPDX-License-Identifier: Apache-2.0
"""Training with hard negatives: from a file, and mined between epochs."""
from __future__ import annotations

import json
import math
import random
import re
import signal
import subprocess
import sys

import mining_data
import numpy
import pytest
import training_data
from mining_data import lines, mined
from training_data import SHORT, same, tensors, trainer

import uldor

#: Weights that have learnt little find much; all of it is looked at.
RULE = dict(min_score=0.02, good_iou=0.3, score_threshold=0.01)
#: As RULE is to a Trainer.
MINING = uldor.Mining(first_epoch=1, **RULE)
CHILD = """
import sys
sys.path[:0] = [{tests!r}, {package!r}]
import training_data, uldor
from pathlib import Path
folder = Path(sys.argv[1])
with training_data.source() as discs:
    with training_data.trainer(discs, folder, {options}, threads=1, mining=uldor.{mining!r}, mined_output=folder / "mined",
                               progress=lambda event: event.kind == "mining" and print("mining", event.step, flush=True)) as run:
        run.run()
        print("done", flush=True)
"""
OPTIONS = dict(epochs=3, classes=3, checkpoint_steps=1)


@pytest.fixture(scope="module")
def start(discs, tmp_path_factory):
    """Weights of three classes that have learnt a little."""
    folder = tmp_path_factory.mktemp("start")
    with trainer(discs, folder, classes=3, epochs=3, validation_split=None) as run:
        run.run()
    return folder / "out.safetensors"


def init(start, **options):
    """A run that begins with these weights as they are."""
    return {**SHORT, "architecture": None, "init": start, "epochs": 1, "calibration_images": 0, **options}


@pytest.fixture(scope="module")
def found(discs, start, tmp_path_factory):
    """A mined file of the weights that runs begin with."""
    path = tmp_path_factory.mktemp("found") / "mined.jsonl"
    with uldor.Model(start) as model:
        info = uldor.mine(model, discs, path, threads=1, **RULE)
    assert info.mined >= 4, info
    return path


@pytest.fixture(scope="module")
def run3(discs, tmp_path_factory):
    """The folder of three epochs with mining before the second and the third."""
    folder = tmp_path_factory.mktemp("run3")
    events = []
    with trainer(discs, folder, **OPTIONS, mining=MINING, mined_output=folder / "mined", threads=2, progress=events.append) as run:
        assert run.run().status == "finished"
    (folder / "kinds").write_text(json.dumps([
        (event.kind, event.epoch, event.step, event.steps, event.validation_loss)
        for event in events if event.kind in ("mining", "epoch")]))
    return folder


def test_mines_between_epochs(discs, run3):
    events = json.loads((run3 / "kinds").read_text())
    kinds = [(kind, epoch) for kind, epoch, *_ in events]
    assert sorted(set(kinds), key=kinds.index) == [("epoch", 0), ("mining", 1), ("epoch", 1), ("mining", 2), ("epoch", 2)]
    with_lesions = sum(image.lesions > 0 for _, image in discs.images("train"))
    assert {steps for kind, _, _, steps, _ in events if kind == "mining"} == {with_lesions}
    assert max(step for kind, _, step, *_ in events if kind == "mining") == with_lesions
    assert all(math.isfinite(loss) for kind, *_, loss in events if kind == "epoch")
    assert lines(run3 / "mined")[0]["epoch"] == 2


def test_as_by_hand(discs, tmp_path):
    """After an epoch, what the trainer mines is what mine() finds with its weights, byte for byte."""
    seed = 5
    with trainer(discs, tmp_path, classes=3, epochs=2, seed=seed, mining=MINING, mined_output=tmp_path / "mined") as run:
        run.run(run.state.steps)
        run.save(tmp_path / "epoch")
        run.run()
    with uldor.Model(tmp_path / "epoch") as model:
        by_hand = mined(tmp_path / "by hand", model, discs, seed=seed, epoch=1, **RULE)
    assert (tmp_path / "mined").read_bytes() == by_hand


def test_learns_the_same_from_a_file(discs, start, found, tmp_path):
    """Mined at the beginning by the trainer, or before it by mine()."""
    weights = []
    for name, options in (("own", dict(mining=uldor.Mining(first_epoch=0, every=0, **RULE), mined_output=tmp_path / "mined")),
                          ("file", dict(mined=found)), ("none", {})):
        with uldor.Trainer(discs, output=tmp_path / name, **init(start), **options) as run:
            run.run()
        weights.append((tmp_path / name).read_bytes())
    assert (tmp_path / "mined").read_bytes() == found.read_bytes()
    assert weights[0] == weights[1] != weights[2]


@pytest.mark.parametrize("first, every, expected", [(0, 1, [0, 1, 2, 3]), (1, 2, [1, 3]), (2, 0, [2]), (7, 1, [])])
def test_schedule(discs, start, tmp_path, first, every, expected):
    seen = []
    options = init(start, epochs=4, validation_split=None)
    with uldor.Trainer(discs, **options, mining=uldor.Mining(first_epoch=first, every=every, **RULE),
                       progress=lambda event: seen.append(event.epoch) if event.kind == "mining" else None) as run:
        run.run()
    assert sorted(set(seen)) == expected


def test_any_model(discs, found, start, tmp_path):
    other = tmp_path / "other"
    with uldor.Trainer(discs, **init(start, epochs=1)) as run:
        run.run()
        run.save(other)
    with pytest.raises(uldor.InvalidArgument, match=rf"{re.escape(str(found))}:1: .*model"):
        uldor.Trainer(discs, **init(other), mined=found)
    with uldor.Trainer(discs, **init(other), mined=found, mined_by_any_model=1) as run:
        run.run()


@pytest.mark.parametrize("options", [dict(threads=1), dict(threads=3, loader_threads=4)])
def test_same_bits(discs, run3, tmp_path, options):
    with trainer(discs, tmp_path, **OPTIONS, mining=MINING, mined_output=tmp_path / "mined", **options) as run:
        run.run()
    assert same(tmp_path, run3) and (tmp_path / "mined").read_bytes() == (run3 / "mined").read_bytes()


def test_resume_after_every_step(discs, run3, tmp_path):
    rounds = 0
    while True:
        with trainer(discs, tmp_path, **OPTIONS, mining=MINING, mined_output=tmp_path / "mined") as run:
            if run.state.status != "running":
                break
            run.run(1)
            run.write_checkpoint()
            rounds += 1
    assert rounds == 9 and same(tmp_path, run3) and (tmp_path / "mined").read_bytes() == (run3 / "mined").read_bytes()


def test_cancelled_while_it_mines(discs, run3, tmp_path):
    """After every image that is mined; the run goes on, in the same trainer or in a new one."""
    cancelled = set()

    def progress(event):
        place = (event.epoch, event.step)
        if event.kind == "mining" and place not in cancelled:
            cancelled.add(place)
            return True
        return False

    with trainer(discs, tmp_path, **OPTIONS, mining=MINING, mined_output=tmp_path / "mined", progress=progress) as run:
        while run.state.status == "running":
            try:
                run.run()
            except uldor.Cancelled:
                run.write_checkpoint()
    assert len(cancelled) >= 4 and same(tmp_path, run3)


def test_killed_while_it_mines(root, run3, tmp_path):
    """kill -9 when an image was mined, in each mining; then the same bytes."""
    code = CHILD.format(tests=str(root / "Tests/python"), package=str(root / "examples/python/src"), mining=MINING,
                        options=", ".join(f"{name}={value}" for name, value in OPTIONS.items()))
    draw, kills = random.Random(4), 0
    for _ in range(8):
        process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(draw.randrange(1, 4)):
            if not process.stdout.readline().startswith("mining"):
                break
        else:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
    process = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert kills >= 4 and same(tmp_path, run3)


def test_third_class_grows(discs, root, tmp_path):
    """A network of two classes gets the third when it mines, and no score moves by 1e-4."""
    demo = root / "share/uldor-demo.safetensors"
    config = json.loads(training_data.metadata(demo)["uldor"])
    config["box"]["score_threshold"], config["class_rule"] = 0.01, "per_class"
    mining = uldor.Mining(first_epoch=1)
    with uldor.Trainer(discs, init=demo, config=json.dumps(config), mining=mining) as run:
        assert sum("2 classes become 3" in line for line in run.report) == 6
        run.save(tmp_path / "three")
    scores = [training_data.lesion_scores(path, **options) for path, options in (
        (demo, dict(config=json.dumps(config))), (tmp_path / "three", {}))]
    assert scores[0].keys() == scores[1].keys() and len(scores[0]) > 3
    assert max(abs(scores[0][box] - scores[1][box]) for box in scores[0]) < 1e-4


def probabilities(session, example, boxes):
    """Of the classes, for regions of the network's input."""
    maps = {"input": example["input"]}
    for stage, inputs in (("c2", ["input"]), ("c3", ["c2"]), ("c4", ["c3"]), ("c5", ["c4"]), ("fpn", ["c2", "c3", "c4", "c5"])):
        maps.update(session.run_stage(stage, {name: maps[name] for name in inputs}))
    size = numpy.array([*example["size"], *example["input"].shape[2:]], numpy.float32)
    features = session.run_stage("box_features", {
        **{name: maps[name] for name in ("p2", "p3", "p4", "p5")}, "proposals": boxes.astype(numpy.float32), "size": size})
    logits = session.run_stage("box_head", features)["box_logits"].astype(float)
    weights = numpy.exp(logits - logits.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True)


def choose_all(path):
    """Whatever hits no lesion becomes a negative, however well the weights know lesions from others. Returns how many there are."""
    first, *images, last = map(json.loads, path.read_text().splitlines())
    every = [found for image in images for found in image["detections"]]
    for found in every:
        if found["s2"] < 0.05:
            found["why"] = "chosen"
    # With those that mining itself chose, though they touch a lesion.
    last["mined"] = sum(found["why"] == "chosen" for found in every)
    path.write_text("".join(json.dumps(line) + "\n" for line in (first, *images, last)))
    return int(last["mined"])


def test_learns_what_a_false_positive_is(discs, root, tmp_path):
    """With what was mined, its regions become false positives and lesions stay lesions; without, the class stays as it began."""
    with uldor.Trainer(discs, init=root / "share/uldor-demo.safetensors", classes=3) as run:
        run.save(tmp_path / "start")
    with uldor.Model(tmp_path / "start") as model:
        uldor.mine(model, discs, tmp_path / "mined", threads=1, **{**RULE, "min_score": 0.005, "score_threshold": 0.005})
    assert choose_all(tmp_path / "mined") >= 3
    options = init(tmp_path / "start", epochs=10, optimiser="adamw", lr=2e-3, lr_epochs=0, roi_samples=64, rpn_samples=64,
                   validation_split=None, augmentation=uldor.Augmentation((1, 1), 0, 0.0, 0.0, 0.0))
    mean = {}
    for mined_ in (tmp_path / "mined", None):
        with uldor.Trainer(discs, output=tmp_path / "after", mined=mined_, **options) as run:
            run.run()
        chosen, lesions = [], []
        with uldor.Model(tmp_path / "after") as model, model.session(threads=1) as session:
            for image in uldor.read_mined(tmp_path / "mined"):
                example = discs.example(model, discs.find(image.image))
                boxes = [found.box for found in image.detections if found.why == "chosen"]
                found = probabilities(session, example, numpy.concatenate([numpy.reshape(boxes, (-1, 4)), example["boxes"]]))
                chosen += list(found[:len(boxes), 2])
                lesions += list(found[len(boxes):, 1])
        mean[mined_ is not None] = numpy.mean(chosen)
        assert min(lesions) > 0.9, lesions
    assert mean[True] > 0.05 and mean[False] < 0.005, mean


def boxes_of_discs():
    """The discs with boxes in place of diameters: no lesion has a mask."""
    images = []
    for index in range(6):
        image, x, y, radius = training_data.disc(index)
        lesion = uldor.SourceLesion(box=(x - radius, y - radius, x + radius, y + radius))
        images.append(uldor.SourceImage(size=image.shape, read=lambda image=image: image, lesions=[lesion], spacing=0.8))
    return uldor.Dataset.from_source(images)


def test_boxes_only_have_no_mask_loss(start, tmp_path):
    """Where no lesion has a mask, the mask loss is that of mined examples alone."""
    losses = {}
    with boxes_of_discs() as data, uldor.Model(start) as model:
        for boxes_only in (False, True):
            path = tmp_path / str(boxes_only)
            assert uldor.mine(model, data, path, threads=1, boxes_only=boxes_only, **{**RULE, "good_iou": 0.99}).mined > 3
            with uldor.Trainer(data, mined=path, **init(start, epochs=2, validation_split=None)) as run:
                losses[boxes_only] = [event.mask for event in run if event.kind == "step"]
    assert max(losses[False]) > 0 and losses[True] == [0] * len(losses[True])


# ------------------------------------------------------------------------------------------------- Files that are unsound


def changed(found, change):
    """The lines of a mined file, changed as text."""
    content = found.read_text().splitlines()
    change(content)
    return "\n".join(content) + "\n"


def with_mask(content):
    """Number and fields of the first line with a mask, and the detection."""
    for number, line in enumerate(content):
        fields = json.loads(line)
        for detection in fields.get("detections", []):
            if detection["why"] == "chosen" and "mask" in detection:
                return number, fields, detection
    raise AssertionError("no mask")


def edit(path, value):
    """Puts a value, given as JSON, into the first chosen detection."""
    def change(content):
        number, fields, detection = with_mask(content)
        *outer, last = path
        for name in outer:
            detection = detection[name]
        detection[last] = "VALUE"
        content[number] = json.dumps(fields).replace('"VALUE"', value)
    return change


def repeat(content):
    content.insert(2, content[1])


def unknown(content):
    fields = json.loads(content[2])
    content[2] = json.dumps({**fields, "image": "nobody"})


def without_end(content):
    content.pop()


def behind_the_end(content):
    content.append(content[1])


def undecided(content):
    number = next(number for number, line in enumerate(content) if '"why": "low"' in line)
    content[number] = content[number].replace('"why": "low"', '"why": "candidate"', 1)


def header(**fields):
    def change(content):
        content[0] = json.dumps({**json.loads(content[0]), **fields})
    return change


UNSOUND = [
    (repeat, "3: "), (unknown, "3: .*nobody"), (without_end, ""), (behind_the_end, r"\d+: "),
    (header(data="0123456789abcdef"), "1: .*data"), (header(uldor_mined=2), "1: "), (header(boxes_only="x"), "1: .*boxes_only"),
    (undecided, r"\d+: .*candidate"),
] + [(edit(path, value), r"\d+: ") for path, values in [
    (["box"], ["null", "[1, 2, 3]", "[1, 2, 3, NaN]", "[1, 2, 3, 1e999]", "[9, 9, 3, 3]", '"x"', "[1, 2, 3, null]"]),
    (["s1"], ["NaN", "-0.5", "1.5", "null", '"high"', "1e400"]), (["s2"], ["NaN", "-1", "2"]), (["why"], ['"maybe"', "3", "null"]),
    (["mask"], ["3", "[]", "{}"]), (["mask", "width"], ["-1", "0", "1.5", "1e300", "99999999999999999999", "null"]),
    (["mask", "height"], ["-3", "2147483648", "4294967296"]), (["mask", "dx"], ["0", "-1", "NaN", "1e999"]),
    (["mask", "x"], ["NaN", "null"]),
    (["mask", "counts"], ["[]", "[1]", "[-5, 9]", "[99999999999999999999]", "[4294967296]",
                          "[9223372036854775807, 9223372036854775807]", "[1.5]", "[NaN]", "null", '"x"']),
] for value in values]


@pytest.mark.parametrize("change, place", UNSOUND)
def test_unsound(discs, start, found, tmp_path, change, place):
    """Refused, by file and line, before the first step."""
    path = tmp_path / "mined"
    path.write_text(changed(found, change))
    with pytest.raises((uldor.FormatError, uldor.InvalidArgument), match=f"{re.escape(str(path))}:?{place}"):
        uldor.Trainer(discs, **init(start), mined=path)


def test_of_other_data(start, found, tmp_path):
    with training_data.source(train=5) as other, pytest.raises(uldor.InvalidArgument, match=rf"{re.escape(str(found))}:1: .*data"):
        uldor.Trainer(other, **init(start), mined=found)
    with training_data.source() as discs, pytest.raises(uldor.FileError, match="nowhere"):
        uldor.Trainer(discs, **init(start), mined=tmp_path / "nowhere")


def test_cut_off_anywhere(discs, start, tmp_path):
    """At every byte: refused, and the error names the file."""
    path, cut = tmp_path / "mined", tmp_path / "cut"
    with uldor.Model(start) as model:
        uldor.mine(model, discs, path, threads=1, most=1, boxes_only=True, **{**RULE, "score_threshold": 0.6})
    content = path.read_bytes()
    for length in range(len(content) - 1):
        cut.write_bytes(content[:length])
        with pytest.raises((uldor.FormatError, uldor.InvalidArgument), match=re.escape(str(cut))):
            uldor.Trainer(discs, **init(start), mined=cut)


def test_changed_anywhere(discs, start, found, tmp_path):
    """Bytes that are others: read or refused, and never a crash, in training neither."""
    good, path, draw = found.read_bytes(), tmp_path / "mined", random.Random(5)
    begin, taken = good.index(b"\n"), 0
    for _ in range(250):
        content = bytearray(good)
        for _ in range(draw.choice([1, 1, 3])):
            content[draw.randrange(begin, len(good))] = draw.choice(b'0123456789-.e:,{}[]"\\nx\n\0\xff')
        path.write_bytes(content)
        try:
            with uldor.Trainer(discs, **init(start), mined=path) as run:
                run.run(1)
                taken += 1
        except (uldor.FormatError, uldor.InvalidArgument) as error:
            assert str(path) in str(error), error
    assert taken > 5


@pytest.mark.parametrize("field", ["mined_output"])
def test_denied_place(discs, start, tmp_path, field):
    for place in (tmp_path / "nowhere" / "x", tmp_path):
        with pytest.raises(uldor.UldorError, match=re.escape(str(place))):
            uldor.Trainer(discs, **init(start), mining=MINING, **{field: place})


@pytest.mark.parametrize("options, message", [
    (dict(good_iou=1.5), r"good_iou is 1\.5"), (dict(min_score=math.nan), "min_score is"), (dict(most=-1), "most is -1"),
    (dict(first_epoch=-1), "first_epoch is -1"), (dict(every=-1), "every is -1"), (dict(streams=65), "streams is 65")])
def test_ranges(discs, options, message):
    with pytest.raises(uldor.InvalidArgument, match=rf"mining\.{message}"):
        uldor.Trainer(discs, **SHORT, mining=uldor.Mining(**options))


def test_checkpoint_of_other_mining(discs, run3):
    """A checkpoint of a run that mined otherwise is of another run."""
    for other in (None, MINING._replace(most=2), MINING._replace(first_epoch=0), MINING._replace(boxes_only=True)):
        with pytest.raises(uldor.InvalidArgument, match="another run: .*min"):
            trainer(discs, run3, **OPTIONS, mining=other)
