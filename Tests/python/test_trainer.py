# SPDX-License-Identifier: Apache-2.0
"""Training runs: options, what they begin with, resuming to the same bits, failing files, several processes."""
from __future__ import annotations

import json
import math
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy
import pytest

import training_data
import uldor
from training_data import SMALL, flat, metadata, tensors

#: Short, and steep enough to see something learned.
SHORT = dict(architecture=SMALL, epochs=2, lr=0.005, batch=2, patience=0, proposals=100, calibration_images=4)


@pytest.fixture(scope="module")
def data():
    with training_data.source() as dataset:
        yield dataset


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """A run that nothing interrupted: its folder."""
    folder = tmp_path_factory.mktemp("whole")
    with trainer(data, folder, threads=2) as run:
        assert run.run().status == "finished"
    return folder


def trainer(data, folder, **options):
    return uldor.Trainer(data, output=folder / "out.safetensors", checkpoint=folder / "run.checkpoint", **{**SHORT, **options})


def same(folder, other):
    """Weights, momentum and the best weights have the same bytes."""
    return all((folder / name).read_bytes() == (other / name).read_bytes() for name in ("out.safetensors", "run.checkpoint"))


# ------------------------------------------------------------------------------------------------ Options

@pytest.mark.parametrize("name, values", [
    ("epochs", [0, 100001]), ("checkpoint_steps", [-1, 2 * 10**9]), ("batch", [0, 1025]), ("accumulation", [0, 1025]),
    ("lr", [-1.0, 1001.0, math.nan, math.inf]), ("momentum", [-0.1, 1.0, math.nan]), ("weight_decay", [-0.1, 1.1, math.nan]),
    ("lr_factor", [-0.1, 1.1, math.nan]), ("lr_epochs", [-1, 100001]), ("warmup_steps", [-1, 2 * 10**9]),
    ("clip_norm", [-1.0, math.nan, math.inf]), ("epoch_images", [-1, 2 * 10**9]), ("validation_images", [-1, 2 * 10**9]),
    ("patience", [-1, 100001]), ("trainable_layers", [-2, 6]), ("rpn_samples", [0, 4097]), ("roi_samples", [0, 4097]),
    ("rpn_positive", [-0.1, 1.1, math.nan]), ("roi_positive", [-0.1, 1.1, math.nan]), ("proposals", [0, 4097]),
    ("calibration_images", [-2, 257]), ("threads", [-1, 1025]), ("loader_threads", [0, 65]), ("classes", [1, 4, -1]),
])
def test_ranges(data, name, values):
    for value in values:
        with pytest.raises(uldor.InvalidArgument, match=rf"options\.{name} is "):
            uldor.Trainer(data, **{**SHORT, name: value})


@pytest.mark.parametrize("options, message", [
    (dict(architecture=None), "init_path and options.architecture are both NULL"),
    (dict(architecture="resnet20"), "architecture 'resnet20': not one of resnet18"),
    (dict(architecture="narrow:fpn=0"), "not a width"),
    (dict(config="{"), "options.config: the configuration is not valid JSON"),
    (dict(config='{"format": 1, "classes": ["background", "lesion"], "anchor": 1}'), "anchor: unknown field"),
    (dict(train_split="test"), "no image of split 3"),
    (dict(output=""), "output_path is empty"),
    (dict(augmentation=uldor.Augmentation(scale=(2, 1))), "augmentation.scale"),
    (dict(reduction=uldor.Reduction(2, 2, lambda values: None)), r"reduction.rank is 2, not within 0\.\.<2"),
    (dict(reduction=uldor.Reduction(0, 0, lambda values: None)), r"reduction.size is 0"),
    (dict(resume="always"), "ULDOR_RESUME_ALWAYS"),
])
def test_other_options(data, options, message):
    with pytest.raises((uldor.InvalidArgument, uldor.ModelError), match=message):
        uldor.Trainer(data, **{**SHORT, **options})


def test_paths_that_are_one(data, tmp_path):
    with pytest.raises(uldor.InvalidArgument, match="two files of options have the same path"):
        uldor.Trainer(data, output=tmp_path / "a", checkpoint=tmp_path / "a", **SHORT)


def test_unknown_keyword(data):
    for name in ("learning_rate", "struct_size", "log_user"):
        with pytest.raises(TypeError, match=name):
            uldor.Trainer(data, **SHORT, **{name: 1})


# ---------------------------------------------------------------------------------- What a run begins with

def test_narrow_is_the_demos_network(data, root, tmp_path):
    with uldor.Trainer(data, architecture="narrow", config=metadata(root / "share/uldor-demo.safetensors")["uldor"]) as run:
        run.save(tmp_path / "w.safetensors")
    ours, demo = tensors(tmp_path / "w.safetensors"), tensors(root / "share/uldor-demo.safetensors")
    assert {name: value.shape for name, value in ours.items()} == {name: value.shape for name, value in demo.items()}


@pytest.mark.parametrize("arch", ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"])
def test_random_start_is_torchvisions(data, arch, tmp_path):
    """Names, shapes and each tensor's spread, against torchvision's constructors. The mask logits' layer is not torchvision's."""
    torchvision = pytest.importorskip("torchvision")
    torch = pytest.importorskip("torch")
    from torchvision.models.detection import MaskRCNN
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
    from torchvision.models.detection.rpn import AnchorGenerator

    torch.manual_seed(1)
    del torchvision
    backbone = resnet_fpn_backbone(backbone_name=arch, weights=None, norm_layer=torch.nn.BatchNorm2d)
    theirs = MaskRCNN(backbone, 2, rpn_anchor_generator=AnchorGenerator(((16,),) * 5, ((0.5, 1.0, 2.0),) * 5)).state_dict()
    with uldor.Trainer(data, architecture=arch) as run:
        run.save(tmp_path / "w.safetensors")
    ours = tensors(tmp_path / "w.safetensors")
    theirs = {name: value.numpy() for name, value in theirs.items() if not name.endswith("num_batches_tracked")}
    assert {n: v.shape for n, v in ours.items()} == {n: v.shape for n, v in theirs.items()}
    for name, their in theirs.items():
        mine = ours[name].astype(numpy.float64)
        if name.startswith("roi_heads.mask_predictor.mask_fcn_logits"):
            continue
        if their.std() == 0:
            assert (mine == their).all(), name
            continue
        if mine.size < 64:
            assert abs(mine).max() < 6 * abs(their).max(), name
            continue
        # Both are samples; the spread of a spread is below std / sqrt(n) for normal and uniform values.
        assert abs(mine.std() / their.std() - 1) < 6 / math.sqrt(mine.size), name
        assert abs(mine.mean() - their.mean()) < 8 * their.std() / math.sqrt(mine.size), name
        # A uniform distribution ends at sqrt(3) of its standard deviation, a normal one does not.
        if mine.size > 1000:
            assert (abs(mine).max() > 2 * mine.std()) == (abs(their).max() > 2 * their.std()), name


def test_seeds(data, tmp_path):
    found = []
    for seed in (0, 0, 1, 2**64 - 1):
        with uldor.Trainer(data, **SHORT, seed=seed) as run:
            run.save(tmp_path / "w.safetensors")
        found.append(flat(tensors(tmp_path / "w.safetensors")))
    assert (found[0] == found[1]).all()
    assert (found[0] != found[2]).any() and (found[2] != found[3]).any()


def test_from_weights(data, root, tmp_path):
    """The demo's halves come back as they are, with its configuration; from fp16 and as fp16."""
    demo = root / "share/uldor-demo.safetensors"
    with uldor.Trainer(data, init=demo) as run:
        assert re.fullmatch(r"142 of 142 tensors are taken from .*, 0 are random", run.report[-1]) and len(run.report) == 1
        assert run.state.trained_parameters < run.state.parameters  # stem and first stages are frozen
        run.save(tmp_path / "w.safetensors")
        run.save(tmp_path / "h.safetensors", half=True)
    wanted = tensors(demo)
    for name, value in tensors(tmp_path / "w.safetensors").items():
        assert value.dtype == numpy.float32 and (value == wanted[name].astype(numpy.float32)).all(), name
    for name, value in tensors(tmp_path / "h.safetensors").items():
        assert value.dtype == numpy.float16 and (value == wanted[name]).all(), name
    assert metadata(tmp_path / "w.safetensors") == metadata(demo)


def test_partial(data, root, tmp_path):
    """What fits of a file is taken, the rest named: missing, of another shape, not needed."""
    demo = root / "share/uldor-demo.safetensors"
    with uldor.Trainer(data, init=demo, architecture="narrow:fc=96", config=metadata(demo)["uldor"]) as run:
        report = run.report
        run.save(tmp_path / "w.safetensors")
    assert any(re.match(r"tensor roi_heads.box_head.fc6.weight has shape \[128, 3136\] in .*, \[96, 3136\] here: random", line)
               for line in report)
    assert re.fullmatch(r"136 of 142 tensors are taken from .*, 6 are random", report[-1])
    wanted, got = tensors(demo), tensors(tmp_path / "w.safetensors")
    assert (got["backbone.body.conv1.weight"] == wanted["backbone.body.conv1.weight"]).all()
    assert got["roi_heads.box_head.fc6.weight"].shape == (96, 3136)
    with uldor.Trainer(data, init=demo, architecture="resnet34:stem=16,fpn=64,fc=128,mask=64", config=metadata(demo)["uldor"]) as run:
        assert any("backbone.body.layer3.4.conv1.weight is missing in" in line for line in run.report)
        assert not any("left out" in line for line in run.report)
    with uldor.Trainer(data, init=demo, architecture=SMALL) as run:
        assert all(": random" in line or "are random" in line for line in run.report)


def write_safetensors(path, values, config=None):
    header, data = {}, b""
    if config:
        header["__metadata__"] = {"uldor": config}
    for name, value in values.items():
        raw = numpy.ascontiguousarray(value).tobytes()
        header[name] = {"dtype": {"float32": "F32", "float16": "F16", "int64": "I64"}[str(value.dtype)], "shape": list(value.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def test_classification_network(data, root, tmp_path):
    """torchvision's names of a classification ResNet: "conv1.weight" and so on, with a last layer that has no place."""
    body = {name[len("backbone.body."):]: value.astype(numpy.float32)
            for name, value in tensors(root / "share/uldor-demo.safetensors").items() if name.startswith("backbone.body.")}
    body["fc.weight"] = numpy.zeros((10, 128), numpy.float32)
    body["bn1.num_batches_tracked"] = numpy.zeros((), numpy.int64)
    write_safetensors(tmp_path / "resnet.safetensors", body)
    with uldor.Trainer(data, init=tmp_path / "resnet.safetensors", architecture="narrow") as run:
        assert sum("left out" in line for line in run.report) == 1
        assert run.report[-1].startswith("100 of 142")
        run.save(tmp_path / "w.safetensors")
    assert (tensors(tmp_path / "w.safetensors")["backbone.body.layer4.1.conv2.weight"] == body["layer4.1.conv2.weight"]).all()


def test_third_class(data, root, tmp_path):
    """Growing by the class of false positives moves lesion scores by less than 1e-4 (method, section 5)."""
    demo = root / "share/uldor-demo.safetensors"
    config = json.loads(metadata(demo)["uldor"])
    config["box"]["score_threshold"], config["class_rule"] = 0.01, "per_class"
    with uldor.Trainer(data, init=demo, config=json.dumps(config), classes=3) as run:
        assert sum("2 classes become 3" in line for line in run.report) == 6
        run.save(tmp_path / "three.safetensors")
    image = training_data.disc(3)[0]
    scores = []
    for path, options in ((demo, dict(config=json.dumps(config))), (tmp_path / "three.safetensors", {})):
        with uldor.Model(path, **options) as model, model.session() as session, session.detect(image, spacing=0.8) as found:
            scores.append({tuple(numpy.round(d.box, 3)): d.score for d in found if d.class_name == "lesion"})
    assert scores[0].keys() == scores[1].keys() and len(scores[0]) > 3
    assert max(abs(scores[0][box] - scores[1][box]) for box in scores[0]) < 1e-4
    with uldor.Model(tmp_path / "three.safetensors") as model:
        assert model.class_names == ("background", "lesion", "false_positive")
    # And back.
    with uldor.Trainer(data, init=tmp_path / "three.safetensors", classes=2) as run:
        run.save(tmp_path / "two.safetensors")
    old, new = tensors(demo), tensors(tmp_path / "two.safetensors")
    assert all((new[name] == old[name].astype(numpy.float32)).all() for name in old)


def test_bad_initial_weights(data, weights, tmp_path):
    bad = {name: value.astype(numpy.float32) for name, value in tensors(weights).items()}
    name = "rpn.head.cls_logits.weight"
    bad[name] = bad[name].copy()
    bad[name].flat[2] = numpy.nan
    write_safetensors(tmp_path / "nan.safetensors", bad)
    del bad["rpn.head.bbox_pred.bias"]
    bad[name].flat[2] = 0
    write_safetensors(tmp_path / "missing.safetensors", bad)
    (tmp_path / "text.safetensors").write_text("hello, this is not a weights file")
    for file, error, message in [("nan", uldor.ModelError, f"tensor {name} holds -?nan at element 2"),
                                 ("missing", uldor.ModelError, "rpn.head.bbox_pred.bias is missing"),
                                 ("text", uldor.FormatError, "not a safetensors file"),
                                 ("nowhere", uldor.FileError, "nowhere.safetensors: cannot open")]:
        with pytest.raises(error, match=message):
            uldor.Trainer(data, init=tmp_path / f"{file}.safetensors")


# ------------------------------------------------------------------------------------------------- The run

def test_learns(data, tmp_path):
    losses = []
    with trainer(data, tmp_path, epochs=8, progress=lambda e: losses.append(e) if e.kind == "epoch" else None) as run:
        state = run.run()
    assert state.status == "finished" and state.total_steps == 24 and state.epoch == 8
    assert losses[-1].loss < 0.6 * losses[0].loss and losses[-1].validation_loss < losses[0].validation_loss
    assert state.best_loss == min(e.validation_loss for e in losses) and losses[state.best_epoch].is_best
    with uldor.Model(tmp_path / "out.safetensors") as model:
        assert model.info.classes == 2


@pytest.mark.parametrize("options", [
    dict(threads=1), dict(threads=3, loader_threads=4), dict(instructions="avx2", threads=2)])
def test_same_bits(data, whole, tmp_path, options):
    """For any number of threads, of either kind; AVX2 and AVX-512 alike."""
    try:
        run = trainer(data, tmp_path, **options)
    except uldor.Unsupported:
        pytest.skip("no AVX2 here")
    with run:
        run.run()
    assert same(tmp_path, whole)


def test_resume_after_every_step(data, whole, tmp_path):
    rounds = 0
    while True:
        with trainer(data, tmp_path) as run:
            assert run.state.resumed == (rounds > 0)
            if run.state.status != "running":
                break
            assert run.state.total_steps == rounds
            run.run(1)
            run.write_checkpoint()
            rounds += 1
    assert rounds == 6 and same(tmp_path, whole)


def test_iteration(data, whole, tmp_path):
    with trainer(data, tmp_path) as run:
        assert len(run) == 6
        kinds = [event.kind for event in run]
        assert len(run) == 0 and list(run) == []
    assert kinds == ["step"] * 3 + ["epoch"] + ["step"] * 3 + ["epoch"]
    assert same(tmp_path, whole)


def test_cancelled_anywhere(data, whole, tmp_path):
    """Cancelled from another thread again and again, the run ends with the same bits: half a step leaves nothing behind."""
    moments, cancelled = random.Random(4), 0
    with trainer(data, tmp_path) as run:
        while run.state.status == "running":
            timer = threading.Timer(moments.uniform(0, 0.05), run.cancel)
            timer.start()
            try:
                run.run()
            except uldor.Cancelled:
                cancelled += 1
            timer.join()
    assert cancelled > 0 and same(tmp_path, whole)


def test_callback_raises(data, whole, tmp_path):
    class Enough(Exception):
        pass

    seen = []

    def progress(event):
        seen.append(event)
        if len(seen) in (3, 9, 14):
            raise Enough(event.kind)

    with trainer(data, tmp_path, progress=progress) as run:
        for _ in range(3):
            with pytest.raises(Enough):
                run.run()
        assert run.run().status == "finished"
    assert same(tmp_path, whole)


def test_busy(data):
    held = []

    def progress(event):
        with pytest.raises(uldor.Busy):
            held[0].run()
        with pytest.raises(uldor.Busy):
            held[0].close()
        return True

    with uldor.Trainer(data, progress=progress, **SHORT) as run:
        held.append(run)
        with pytest.raises(uldor.Cancelled):
            run.run()
        held.clear()


@pytest.mark.parametrize("name", ["log.csv", "log.jsonl"])
def test_log(data, tmp_path, name):
    log = tmp_path / name
    while True:
        with trainer(data, tmp_path, log_file=log) as run:
            if run.state.status != "running":
                break
            run.run(4)  # what follows the last checkpoint is done again, and stands there once
    lines = log.read_text().splitlines()
    if name == "log.csv":
        columns, *rows = (line.split(",") for line in lines)
        rows = [dict(zip(columns, row)) for row in rows]
    else:
        rows = [json.loads(line) for line in lines]
    assert [row["event"] for row in rows] == ["step"] * 3 + ["epoch"] + ["step"] * 3 + ["epoch"]
    assert [int(row["total_steps"]) for row in rows] == [1, 2, 3, 3, 4, 5, 6, 6]
    terms = ("objectness", "rpn_box", "classifier", "box", "mask")
    assert all(math.isclose(float(row["loss"]), sum(float(row[term]) for term in terms), rel_tol=1e-12) for row in rows)


def test_mask_branch_left_alone(data, tmp_path):
    with trainer(data, tmp_path, no_mask_loss=1, weight_decay=0.01) as run:
        run.save(tmp_path / "before.safetensors")
        run.run()
        run.save(tmp_path / "after.safetensors")
    before, after = tensors(tmp_path / "before.safetensors"), tensors(tmp_path / "after.safetensors")
    for name in before:
        moved = (before[name] != after[name]).any()
        assert not moved if "mask" in name else moved or "bn" in name or "downsample.1" in name, name


# ------------------------------------------------------------------------------------------- Killed, and files

CHILD = """
import sys
sys.path[:0] = [{tests!r}, {package!r}]
import training_data, uldor
from pathlib import Path
with training_data.source() as data:
    import test_trainer
    with test_trainer.trainer(data, Path(sys.argv[1]), checkpoint_steps=1, threads=1) as run:
        print("started", flush=True)
        run.run()
        print("done", flush=True)
"""


def child(root, folder):
    code = CHILD.format(tests=str(root / "Tests/python"), package=str(root / "examples/python/src"))
    return subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True)


def test_killed_at_random_moments(data, whole, root, tmp_path):
    """kill -9, 20 times: what is on the disk is always whole, and the run ends with the same bits."""
    moments = random.Random(20)
    done = kills = 0
    folder = tmp_path / "0"
    folder.mkdir()
    while kills < 20:
        process = child(root, folder)
        assert process.stdout.readline() == "started\n"
        time.sleep(moments.uniform(0, 0.12))
        process.send_signal(signal.SIGKILL)
        rest = process.communicate()[0]
        kills += 1
        for file in folder.iterdir():
            if file.suffix != ".partial":
                flat(tensors(file))  # every byte that the header tells of is there
        if "done" in rest or kills == 20:
            process = child(root, folder)
            assert process.communicate()[0].endswith("done\n") and process.returncode == 0
            assert tensors_equal(folder, whole)
            done += 1
            folder = tmp_path / str(done)
            folder.mkdir()
    assert not list(tmp_path.glob("*/*.partial"))


def tensors_equal(folder, other):
    for name in ("out.safetensors", "run.checkpoint"):
        mine, theirs = tensors(folder / name), tensors(other / name)
        if mine.keys() != theirs.keys() or any((mine[n] != theirs[n]).any() for n in mine):
            return False
    return True


def test_no_room(data, root, tmp_path):
    """A disk that is full (here: the limit on file sizes, whose signal would kill the process) is an error, and what was
    there stays."""
    code = CHILD.format(tests=str(root / "Tests/python"), package=str(root / "examples/python/src")).replace(
        "        run.run()\n", """        run.run(2)
        run.write_checkpoint()
        before = Path(sys.argv[1], "run.checkpoint").read_bytes()
        import resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, resource.RLIM_INFINITY))
        for call in (run.write_checkpoint, lambda: run.save(Path(sys.argv[1], "other")), run.run):
            try:
                call()
                assert call is not run.run and not "no error"
            except uldor.FileError as error:
                assert "cannot write: File too large" in str(error), error
        assert Path(sys.argv[1], "run.checkpoint").read_bytes() == before
        assert sorted(p.name for p in Path(sys.argv[1]).iterdir()) == ["run.checkpoint"]
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        run.run()
""").replace('"other")),', '"other")),')
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("done\n")


@pytest.mark.parametrize("field", ["output", "checkpoint", "log_file"])
def test_denied_place(data, tmp_path, field):
    """Told before the first step."""
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "nowhere" / "x", tmp_path / "file" / "x", tmp_path, "/proc/uldor"):
        with pytest.raises(uldor.UldorError, match=re.escape(str(place)) + ".*"):
            uldor.Trainer(data, **{**SHORT, field: place, "resume": "never"})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_directory(data, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(uldor.FileError, match="Permission denied"):
        trainer(data, tmp_path)


def test_odd_checkpoints(data, whole, tmp_path):
    good = (whole / "run.checkpoint").read_bytes()
    cases = {
        "half": (good[: len(good) // 2], uldor.FormatError, "are not within the file|belong to no tensor"),
        "empty": (b"", uldor.FormatError, "too few"),
        "weights": ((whole / "out.safetensors").read_bytes(), uldor.FormatError, "not a checkpoint"),
    }
    for name, (content, error, message) in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(error, match=message):
            uldor.Trainer(data, checkpoint=path, **SHORT)
        assert path.read_bytes() == content
    with pytest.raises(uldor.FileError, match="cannot open"):
        uldor.Trainer(data, checkpoint=tmp_path / "none", resume="always", **SHORT)


def test_changed_checkpoint_state(data, whole, tmp_path):
    """A state whose numbers lie, changed byte by byte, is refused or read; it never crashes the run."""
    good = bytearray((whole / "run.checkpoint").read_bytes())
    first, last = good.index(b"uldor_training"), good.index(b"identity")
    shutil.copy(whole / "run.checkpoint", tmp_path / "run.checkpoint")
    draw = random.Random(1)
    for _ in range(150):
        changed = bytearray(good)
        changed[draw.randrange(first, last)] = draw.choice(b"0123456789-.e:,{}[]\"\\x")
        (tmp_path / "run.checkpoint").write_bytes(changed)
        try:
            with trainer(data, tmp_path) as run:
                run.run(1)
        except (uldor.FormatError, uldor.InvalidArgument):
            pass


def test_other_options_and_data(data, whole):
    with pytest.raises(uldor.InvalidArgument, match=r"run.checkpoint is the checkpoint of another run: lr is 0.005 there, 0.006 here"):
        trainer(data, whole, lr=0.006)
    with training_data.source(train=5, validation=3) as other, pytest.raises(uldor.InvalidArgument, match="images to train on is 6"):
        trainer(other, whole)
    with trainer(data, whole, lr=0.006, resume="never") as run:
        assert not run.state.resumed


def test_bad_images(tmp_path):
    folder = training_data.write(tmp_path / "data")
    bad = folder / "Images_png" / "000002_01_01" / "005.png"
    bad.write_bytes(bad.read_bytes()[:3000])
    with uldor.Dataset(folder) as data:
        with uldor.Trainer(data, **SHORT) as run, pytest.raises(uldor.UldorError, match="000002_01_01.*005.png"):
            run.run()
        told = []
        with uldor.Trainer(data, on_bad_image="skip", log=lambda level, text: told.append(text), **SHORT) as run:
            assert run.run().skipped_images == 2
        assert sum("left out" in text and "005.png" in text for text in told) >= 2


# -------------------------------------------------------------------------------------------- Several processes

class Together:
    """Processes as threads: sums in the order of ranks, as MPI's Allreduce would."""

    def __init__(self, size):
        self.size, self.values = size, [None] * size
        self.barrier = threading.Barrier(size, timeout=60)

    def reduction(self, rank):
        def add_up(values):
            self.values[rank] = values.copy()
            self.barrier.wait()
            total = sum(self.values[1:], self.values[0].copy())
            self.barrier.wait()
            values[:] = total

        return uldor.Reduction(rank, self.size, add_up)


def together(size, work):
    meeting, errors = Together(size), [None] * size

    def run(rank):
        try:
            work(rank, meeting.reduction(rank))
        except BaseException as error:
            errors[rank] = error

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return errors


@pytest.mark.parametrize("accumulation", [1, 2])
def test_two_processes_are_one_with_the_doubled_batch(data, tmp_path, accumulation):
    """The update of a step, 1e-5 relative."""
    start = tmp_path / "start.safetensors"
    options = dict(SHORT, accumulation=accumulation, threads=1)
    with uldor.Trainer(data, **options) as run:
        run.save(start)
    updates = []

    def work(rank, reduction):
        batch = 2 if reduction is not None else 4
        with uldor.Trainer(data, **{**options, "batch": batch}, reduction=reduction) as run:
            run.run(1)
            run.save(tmp_path / f"{batch}.{rank}")

    assert together(2, work) == [None, None]
    work(0, None)
    first = flat(tensors(start))
    updates = [flat(tensors(tmp_path / name)) - first for name in ("4.0", "2.0", "2.1")]
    assert (updates[1] == updates[2]).all()
    norm = numpy.linalg.norm(updates[0])
    assert norm > 1e-3 and numpy.linalg.norm(updates[1] - updates[0]) <= 1e-5 * norm


def test_processes_stop_together(data, tmp_path):
    def work(rank, reduction):
        def progress(event):
            if rank == 1 and event.kind == "step" and event.total_steps == 2:
                raise KeyError("here")

        with uldor.Trainer(data, **SHORT, reduction=reduction, progress=progress) as run:
            try:
                run.run()
            finally:
                run.save(tmp_path / f"{rank}")

    errors = together(2, work)
    assert isinstance(errors[1], KeyError)
    assert isinstance(errors[0], uldor.Cancelled) and "another process stopped" in str(errors[0])
    assert (tmp_path / "0").read_bytes() == (tmp_path / "1").read_bytes()


def test_reduction_fails(data):
    def broken(values):
        raise OSError("the network is down")

    with uldor.Trainer(data, **SHORT, reduction=uldor.Reduction(0, 2, broken)) as run, pytest.raises(OSError, match="network"):
        run.run()


def test_mpi(root, tmp_path):
    """train_mpi.py under mpirun -n 2, and alone with the doubled batch."""
    mpirun = os.environ.get("ULDOR_MPIRUN") or shutil.which("mpirun")
    python = os.environ.get("ULDOR_MPI_PYTHON") or sys.executable
    if mpirun is None:
        pytest.skip("no mpirun")
    if subprocess.run([python, "-c", "import mpi4py.MPI, numpy"], capture_output=True).returncode != 0:
        pytest.skip(f"{python} has no mpi4py")
    folder = training_data.write(tmp_path / "data", train=4, validation=1)
    environment = {**os.environ, "PYTHONPATH": str(root / "examples/python/src"), "OMPI_ALLOW_RUN_AS_ROOT": "1",
                   "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1"}
    for name, launcher, batch in (("two", [mpirun, "-n", "2", "--oversubscribe"], 2), ("one", [], 4)):
        subprocess.run(
            [*launcher, python, str(root / "examples/python/train_mpi.py"), "--data", str(folder), "--arch", SMALL, "--epochs", "1",
             "--threads", "1", "--batch", str(batch), "--out", str(tmp_path / name)], check=True, env=environment, timeout=300)
    one, two = flat(tensors(tmp_path / "one")), flat(tensors(tmp_path / "two"))
    with uldor.Dataset(folder) as data, uldor.Trainer(data, architecture=SMALL, batch=4) as run:
        run.run(1)  # calibrates, as the others did
        with uldor.Trainer(data, architecture=SMALL, batch=4, lr=0.0, weight_decay=0.0) as still:
            still.run(1)
            still.save(tmp_path / "start")
    start = flat(tensors(tmp_path / "start"))
    norm = numpy.linalg.norm(one - start)
    assert norm > 1e-4 and numpy.linalg.norm(two - one) <= 1e-5 * norm
