# SPDX-License-Identifier: Apache-2.0
"""What a run begins with: random values, weights files, parts of them."""
from __future__ import annotations

import json
import math
import re

import numpy
import pytest
from scipy import stats

import safetensors_file
import training_data
import uldor
from training_data import SHORT, SMALL, flat, metadata, tensors


def test_narrow_is_the_demos_network(discs, root, tmp_path):
    with uldor.Trainer(discs, architecture="narrow", config=metadata(root / "share/uldor-demo.safetensors")["uldor"]) as run:
        run.save(tmp_path / "w.safetensors")
    ours, demo = tensors(tmp_path / "w.safetensors"), tensors(root / "share/uldor-demo.safetensors")
    assert {name: value.shape for name, value in ours.items()} == {name: value.shape for name, value in demo.items()}


def is_within(values, bound):
    """Whether values may be drawn evenly from -bound...bound: none is beyond, and not all of them are so near 0 that it happens once
    in a million times, (share of the range) ** (number of values)."""
    largest = abs(values).max()
    return bound * 1e-6 ** (1 / values.size) < largest <= bound * (1 + 2**-23)


@pytest.mark.parametrize("arch", ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"])
def test_random_start_is_torchvisions(discs, arch, tmp_path):
    """Names, shapes and each tensor's spread, against torchvision's constructors. The mask logits' layer is not torchvision's."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("torchvision")
    from torchvision.models.detection import MaskRCNN
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
    from torchvision.models.detection.rpn import AnchorGenerator

    torch.manual_seed(1)
    backbone = resnet_fpn_backbone(backbone_name=arch, weights=None, norm_layer=torch.nn.BatchNorm2d)
    theirs = MaskRCNN(backbone, 2, rpn_anchor_generator=AnchorGenerator(((16,),) * 5, ((0.5, 1.0, 2.0),) * 5)).state_dict()
    with uldor.Trainer(discs, architecture=arch) as run:
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
            # Too few for a spread; both are drawn from the law of torch.nn.Linear's bias.
            bound = theirs[name.replace("bias", "weight")].shape[1] ** -0.5
            assert name.startswith("roi_heads.box_predictor.") and is_within(mine, bound) and is_within(their, bound), name
            continue
        # Both are samples; the spread of a spread is below std / sqrt(n) for normal and uniform values.
        assert abs(mine.std() / their.std() - 1) < 6 / math.sqrt(mine.size), name
        assert abs(mine.mean() - their.mean()) < 8 * their.std() / math.sqrt(mine.size), name
        # A uniform distribution ends at sqrt(3) of its standard deviation, a normal one does not.
        if mine.size > 1000:
            assert (abs(mine).max() > 2 * mine.std()) == (abs(their).max() > 2 * their.std()), name


def test_few_values_over_many_seeds(discs, tmp_path):
    """The box predictor's biases, too few in one network to tell how they are spread: even between +-1 / sqrt(channels), as
    torch.nn.Linear's are, by Kolmogorov and Smirnov; and no seed's values are another's."""
    drawn = {"cls_score": [], "bbox_pred": []}
    for seed in range(40):
        with uldor.Trainer(discs, **SHORT, seed=seed) as run:
            run.save(tmp_path / "w.safetensors")
        found = tensors(tmp_path / "w.safetensors")
        for name, values in drawn.items():
            values.append(found[f"roi_heads.box_predictor.{name}.bias"])
    bound = found["roi_heads.box_predictor.cls_score.weight"].shape[1] ** -0.5
    for name, values in drawn.items():
        values = numpy.concatenate(values).astype(numpy.float64)
        assert abs(values).max() <= bound * (1 + 2**-23) and len(set(values)) == len(values), name
        assert stats.kstest(values, "uniform", (-bound, 2 * bound)).pvalue > 1e-3, name


def test_seeds(discs, tmp_path):
    found = []
    for seed in (0, 0, 1, 2**64 - 1):
        with uldor.Trainer(discs, **SHORT, seed=seed) as run:
            run.save(tmp_path / "w.safetensors")
        found.append(flat(tensors(tmp_path / "w.safetensors")))
    assert (found[0] == found[1]).all()
    assert (found[0] != found[2]).any() and (found[2] != found[3]).any()


def test_from_weights(discs, root, tmp_path):
    """The demo's halves come back as they are, with its configuration; from fp16 and as fp16."""
    demo = root / "share/uldor-demo.safetensors"
    with uldor.Trainer(discs, init=demo) as run:
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


def test_partial(discs, root, tmp_path):
    """What fits of a file is taken, the rest named: missing, of another shape, not needed."""
    demo = root / "share/uldor-demo.safetensors"
    with uldor.Trainer(discs, init=demo, architecture="narrow:fc=96", config=metadata(demo)["uldor"]) as run:
        report = run.report
        run.save(tmp_path / "w.safetensors")
    assert any(re.match(r"tensor roi_heads.box_head.fc6.weight has shape \[128, 3136\] in .*, \[96, 3136\] here: random", line)
               for line in report)
    assert re.fullmatch(r"136 of 142 tensors are taken from .*, 6 are random", report[-1])
    wanted, got = tensors(demo), tensors(tmp_path / "w.safetensors")
    assert (got["backbone.body.conv1.weight"] == wanted["backbone.body.conv1.weight"]).all()
    assert got["roi_heads.box_head.fc6.weight"].shape == (96, 3136)
    with uldor.Trainer(discs, init=demo, architecture="resnet34:stem=16,fpn=64,fc=128,mask=64",
                       config=metadata(demo)["uldor"]) as run:
        assert any("backbone.body.layer3.4.conv1.weight is missing in" in line for line in run.report)
        assert not any("left out" in line for line in run.report)
    with uldor.Trainer(discs, init=demo, architecture=SMALL) as run:
        assert all(": random" in line or "are random" in line for line in run.report)


def test_classification_network(discs, root, tmp_path):
    """torchvision's names of a classification ResNet: "conv1.weight" and so on, with a last layer that has no place."""
    body = {name[len("backbone.body."):]: value.astype(numpy.float32)
            for name, value in tensors(root / "share/uldor-demo.safetensors").items() if name.startswith("backbone.body.")}
    body["fc.weight"] = numpy.zeros((10, 128), numpy.float32)
    body["bn1.num_batches_tracked"] = numpy.zeros((), numpy.int64)
    safetensors_file.save(tmp_path / "resnet.safetensors", body)
    with uldor.Trainer(discs, init=tmp_path / "resnet.safetensors", architecture="narrow") as run:
        assert sum("left out" in line for line in run.report) == 1
        assert run.report[-1].startswith("100 of 142")
        run.save(tmp_path / "w.safetensors")
    assert (tensors(tmp_path / "w.safetensors")["backbone.body.layer4.1.conv2.weight"] == body["layer4.1.conv2.weight"]).all()


def test_third_class(discs, root, tmp_path):
    """Growing by the class of false positives moves lesion scores by less than 1e-4 (method, section 5)."""
    demo = root / "share/uldor-demo.safetensors"
    config = json.loads(metadata(demo)["uldor"])
    config["box"]["score_threshold"], config["class_rule"] = 0.01, "per_class"
    with uldor.Trainer(discs, init=demo, config=json.dumps(config), classes=3) as run:
        assert sum("2 classes become 3" in line for line in run.report) == 6
        run.save(tmp_path / "three.safetensors")
    scores = [training_data.lesion_scores(path, **options) for path, options in (
        (demo, dict(config=json.dumps(config))), (tmp_path / "three.safetensors", {}))]
    assert scores[0].keys() == scores[1].keys() and len(scores[0]) > 3
    assert max(abs(scores[0][box] - scores[1][box]) for box in scores[0]) < 1e-4
    with uldor.Model(tmp_path / "three.safetensors") as model:
        assert model.class_names == ("background", "lesion", "false_positive")
    # And back.
    with uldor.Trainer(discs, init=tmp_path / "three.safetensors", classes=2) as run:
        run.save(tmp_path / "two.safetensors")
    old, new = tensors(demo), tensors(tmp_path / "two.safetensors")
    assert all((new[name] == old[name].astype(numpy.float32)).all() for name in old)


def test_bad_initial_weights(discs, weights, tmp_path):
    bad = {name: value.astype(numpy.float32) for name, value in tensors(weights).items()}
    name = "rpn.head.cls_logits.weight"
    bad[name] = bad[name].copy()
    bad[name].flat[2] = numpy.nan
    safetensors_file.save(tmp_path / "nan.safetensors", bad)
    del bad["rpn.head.bbox_pred.bias"]
    bad[name].flat[2] = 0
    safetensors_file.save(tmp_path / "missing.safetensors", bad)
    (tmp_path / "text.safetensors").write_text("hello, this is not a weights file")
    for file, error, message in [("nan", uldor.ModelError, f"tensor {name} holds -?nan at element 2"),
                                 ("missing", uldor.ModelError, "rpn.head.bbox_pred.bias is missing"),
                                 ("text", uldor.FormatError, "not a safetensors file"),
                                 ("nowhere", uldor.FileError, "nowhere.safetensors: cannot open")]:
        with pytest.raises(error, match=message):
            uldor.Trainer(discs, init=tmp_path / f"{file}.safetensors")
