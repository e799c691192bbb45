# SPDX-License-Identifier: Apache-2.0
"""The converters against weights in foreign names: every tensor must come back bit for bit."""

from __future__ import annotations

import json
import pickle
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import foreign_names

ROOT = Path(__file__).parents[2]
TOOLS, FIXTURES = ROOT / "tools", ROOT / "Tests" / "fixtures"
sys.path.insert(0, str(TOOLS))

import checkpoint_file
import safetensors_file
import uldor_config
import uldor_weights

BACKGROUND_BOXES, BACKGROUND_MASKS = "roi_heads.box_predictor.bbox_pred.", "roi_heads.mask_predictor.mask_fcn_logits."


def convert(framework: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOOLS / f"convert_{framework}.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def fixture(classes: int) -> dict[str, np.ndarray]:
    return safetensors_file.load(FIXTURES / f"tiny_{classes}class.safetensors")[0]


def write_pickle(path: Path, tensors: dict[str, np.ndarray]) -> Path:
    path.write_bytes(pickle.dumps({"model": tensors, "__author__": "Detectron2 Model Zoo"}))
    return path


def assert_same(path: Path, expected: dict[str, np.ndarray], background_lost: bool) -> None:
    found, _ = safetensors_file.load(path)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        if background_lost and name.startswith((BACKGROUND_BOXES, BACKGROUND_MASKS)):
            rows = 4 if name.startswith(BACKGROUND_BOXES) else 1
            assert not found[name][:rows].any(), name
            assert found[name][rows:].tobytes() == array[rows:].tobytes(), name
        else:
            assert found[name].tobytes() == array.tobytes(), name


def configuration(path: Path) -> dict:
    return uldor_config.complete(json.loads(safetensors_file.load(path)[1]["uldor"]))


@pytest.mark.parametrize("classes", [2, 3])
def test_detectron2_pkl(tmp_path: Path, classes: int) -> None:
    tensors, out = fixture(classes), tmp_path / "out.safetensors"
    run = convert("detectron2", write_pickle(tmp_path / "model.pkl", foreign_names.detectron2(tensors)), out)
    assert run.returncode == 0, run.stderr
    assert_same(out, tensors, background_lost=True)
    config = configuration(out)
    assert config["classes"] == uldor_config.CLASSES[classes]
    assert (config["roi_align.aligned"], config["roi_align.sampling_ratio"], config["roi_align.level_rule"]) == (True, 0, "detectron2")
    assert (config["anchors.rounded"], config["mask.paste"], config["stride_in_1x1"]) == (False, "continuous", False)
    assert config["input.mean"] == [103.53, 116.28, 123.675]


def test_detectron2_without_running_statistics_is_msra(tmp_path: Path) -> None:
    """Only scale and shift stored: mean 0, variance 1; a bottleneck then has its stride on the 1x1."""
    tensors = foreign_names.detectron2(fixture(2))
    tensors = {n: a for n, a in tensors.items() if "running_" not in n}
    out = tmp_path / "out.safetensors"
    assert convert("detectron2", write_pickle(tmp_path / "model.pkl", tensors), out).returncode == 0
    found, _ = safetensors_file.load(out)
    assert not found["backbone.body.bn1.running_mean"].any() and (found["backbone.body.bn1.running_var"] == 1).all()
    assert configuration(out)["stride_in_1x1"] is False  # basic blocks have no 1x1
    assert convert("detectron2", tmp_path / "model.pkl", out, "--stride-in-1x1", "yes").returncode == 0
    assert configuration(out)["stride_in_1x1"] is True


def test_detectron2_stored_anchors_are_reordered(tmp_path: Path) -> None:
    """Detectron2 goes size by size, torchvision ratio by ratio."""
    tensors = fixture(2)
    sizes, ratios = [8.0, 16.0], [0.5, 1.0, 2.0]
    random = np.random.default_rng(0)
    stored = dict(tensors)
    for name, rows in (("rpn.head.cls_logits", 1), ("rpn.head.bbox_pred", 4)):
        for kind in ("weight", "bias"):
            tail = tensors[f"{name}.{kind}"].shape[1:]
            grid = random.normal(size=(len(sizes), len(ratios), rows, *tail)).astype(np.float32)
            stored[f"{name}.{kind}"] = grid.reshape(-1, *tail)
            tensors[f"{name}.{kind}"] = grid.swapaxes(0, 1).reshape(-1, *tail)
    foreign = foreign_names.detectron2(stored)
    for level in range(5):
        sides = [(s / r ** 0.5, s * r ** 0.5) for s in sizes for r in ratios]
        foreign[f"proposal_generator.anchor_generator.cell_anchors.{level}"] = np.array(
            [[-w / 2, -h / 2, w / 2, h / 2] for w, h in sides], np.float32)
    out = tmp_path / "out.safetensors"
    run = convert("detectron2", write_pickle(tmp_path / "model.pkl", foreign), out)
    assert run.returncode == 0, run.stderr
    assert_same(out, tensors, background_lost=True)
    assert configuration(out)["anchors.sizes"] == [sizes] * 5 and configuration(out)["anchors.aspect_ratios"] == ratios


def test_class_agnostic_rows_are_repeated(tmp_path: Path) -> None:
    tensors = foreign_names.detectron2(fixture(3))
    for kind in ("weight", "bias"):
        tensors[f"roi_heads.box_predictor.bbox_pred.{kind}"] = tensors[f"roi_heads.box_predictor.bbox_pred.{kind}"][:4]
    out = tmp_path / "out.safetensors"
    assert convert("detectron2", write_pickle(tmp_path / "model.pkl", tensors), out).returncode == 0
    found = safetensors_file.load(out)[0]["roi_heads.box_predictor.bbox_pred.weight"]
    assert len(found) == 12 and (found[4:8] == found[8:]).all() and not found[:4].any()


def test_reversed_channels(tmp_path: Path) -> None:
    tensors, out = fixture(2), tmp_path / "out.safetensors"
    source = write_pickle(tmp_path / "model.pkl", foreign_names.detectron2(tensors))
    assert convert("detectron2", source, out, "--channel-order", "reverse").returncode == 0
    assert (safetensors_file.load(out)[0]["backbone.body.conv1.weight"] == tensors["backbone.body.conv1.weight"][:, ::-1]).all()
    assert configuration(out)["input.mean"] == [123.675, 116.28, 103.53]


@pytest.mark.parametrize("wrap", [None, "model", "state_dict"])
def test_torchvision_pth(tmp_path: Path, wrap: str | None) -> None:
    torch = pytest.importorskip("torch")
    tensors = fixture(3)
    state = {f"module.{n}": torch.nn.Parameter(torch.from_numpy(a.copy())) for n, a in foreign_names.old_torchvision(tensors).items()}
    state["module.backbone.body.bn1.num_batches_tracked"] = torch.tensor(3)
    torch.save({wrap: state, "epoch": 3, "arguments": Path("x")} if wrap else state, tmp_path / "model.pth")
    out = tmp_path / "out.safetensors"
    run = convert("torchvision", tmp_path / "model.pth", out, "--batch-norm-eps", "0", "--classes", "background", "nodule", "false_positive",
                  "--input", '{"mean": 0.5, "range": [0, 1]}', "--name", "n")
    assert run.returncode == 0, run.stderr
    assert_same(out, tensors, background_lost=False)
    config = configuration(out)
    assert (config["batch_norm_eps"], config["input.mean"], config["input.range"], config["name"]) == (0, 0.5, [0, 1], "n")
    assert config["classes"][1] == "nodule" and config["class_rule"] == "best_class"


@pytest.mark.parametrize("classes", [2, 3])
def test_mmdetection_pth(tmp_path: Path, classes: int) -> None:
    torch = pytest.importorskip("torch")
    tensors = fixture(classes)
    state = {n: torch.from_numpy(a.copy()) for n, a in foreign_names.mmdetection(tensors).items()}
    torch.save({"meta": {"epoch": 12}, "state_dict": state, "optimizer": {"state": {0: torch.ones(2)}}}, tmp_path / "model.pth")
    out = tmp_path / "out.safetensors"
    run = convert("mmdetection", tmp_path / "model.pth", out)
    assert run.returncode == 0, run.stderr
    assert_same(out, tensors, background_lost=True)
    config = configuration(out)
    assert (config["roi_align.level_rule"], config["input.std"], config["anchors.stride_rule"]) == ("mmdetection", [58.395, 57.12, 57.375], "fixed")


def test_pth_tensors_are_read_as_torch_reads_them(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    base = torch.arange(24.0).reshape(4, 6) + 0.1
    state = {"view": base[1:3, ::2], "transposed": base.t(), "half": base.half(), "bfloat16": base.bfloat16(), "double": base.double(),
             "integer": torch.arange(5), "scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3)}
    torch.save(state, tmp_path / "t.pth")
    found = checkpoint_file.load(tmp_path / "t.pth")
    for name, tensor in state.items():
        assert np.array_equal(found[name], tensor.float().numpy() if name == "bfloat16" else tensor.numpy()), name
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert np.array_equal(checkpoint_file.load(tmp_path / "old.pth")["view"], state["view"].numpy())


class Hostile:
    def __init__(self, target: str) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return Path.touch, (Path(self.target),)


def test_a_pickle_cannot_run_code(tmp_path: Path) -> None:
    target = tmp_path / "touched"
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({"model": {"w": np.ones(2)}, "extra": Hostile(str(target))}))
    assert checkpoint_file.load(tmp_path / "model.pkl").keys() == {"w"}
    assert not target.exists()


@pytest.mark.parametrize("dtype, kind", [("fp16", "F16"), ("bf16", "BF16")])
def test_half_precision_keeps_vectors(tmp_path: Path, dtype: str, kind: str) -> None:
    out = tmp_path / "out.safetensors"
    assert convert("torchvision", FIXTURES / "tiny_2class.safetensors", out, "--dtype", dtype, "--config",
                   '{"anchors": {"sizes": [[16], [24], [32], [48], [96]]}}').returncode == 0
    data = out.read_bytes()
    header = json.loads(data[8:8 + int.from_bytes(data[:8], "little")])
    header.pop("__metadata__")
    assert all(entry["dtype"] == (kind if len(entry["shape"]) > 1 else "F32") for entry in header.values())
    committed, _ = safetensors_file.load(FIXTURES / f"tiny_2class_{dtype}.safetensors")
    assert_same(out, committed, background_lost=False)


def test_bfloat16_rounds_to_nearest_even() -> None:
    values = np.array([1.0, 1.00390625, 1.01171875, -1.004, 3.0e38, 1e-40, 0.0], np.float32)
    assert safetensors_file.from_bfloat16_bits(safetensors_file.bfloat16_bits(values)).tolist() == pytest.approx(
        [1.0, 1.0, 1.015625, -1.0078125, 2.9977e38, 1e-40, 0.0], rel=4e-3)
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(0).normal(size=10_000).astype(np.float32)
    assert np.array_equal(safetensors_file.from_bfloat16_bits(safetensors_file.bfloat16_bits(random)),
                          torch.from_numpy(random).bfloat16().float().numpy())


def test_errors_name_the_cause_and_leave_no_file(tmp_path: Path) -> None:
    tensors, out = fixture(2), tmp_path / "out.safetensors"

    def failure(change: dict[str, np.ndarray | None], *arguments: str) -> str:
        changed = {n: a for n, a in (tensors | change).items() if a is not None}
        safetensors_file.save(tmp_path / "in.safetensors", changed)
        run = convert("torchvision", tmp_path / "in.safetensors", out, *arguments)
        assert run.returncode == 1 and not out.exists() and "Traceback" not in run.stderr, run.stderr
        assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]
        return run.stderr

    bias = tensors["rpn.head.cls_logits.bias"]
    assert "rpn.head.cls_logits.bias holds a NaN" in failure({"rpn.head.cls_logits.bias": bias * np.nan})
    assert "layer3.1.bn2.weight" in failure({"backbone.body.layer3.1.bn2.weight": None})
    assert "backbone.fpn.inner_blocks.0.1.weight belongs to another network" in failure({"backbone.fpn.inner_blocks.0.1.weight": bias})
    assert "did you mean anchors.sizes" in failure({}, "--config", '{"anchors": {"size": [[8]]}}')
    assert "2 or 3 classes" in failure({"roi_heads.box_predictor.cls_score.bias": np.zeros(91, np.float32)})
    assert "does not fit in fp16" in failure({"backbone.body.conv1.weight": tensors["backbone.body.conv1.weight"] * 1e9}, "--dtype", "fp16")
    boxes_only = {name: array for name, array in foreign_names.detectron2(tensors).items() if "mask_head" not in name}
    run = convert("detectron2", write_pickle(tmp_path / "boxes.pkl", boxes_only), out)
    assert "the first is roi_heads.mask_head.0.0.weight" in run.stderr
    assert "no such file" in convert("mmdetection", tmp_path / "none.pth", out).stderr
    assert "belongs to another network" in convert("mmdetection", FIXTURES / "tiny_2class.safetensors", out).stderr


def test_defaults_are_those_of_the_document() -> None:
    """docs/weights.md and the schema list the same fields."""
    table = (ROOT / "docs" / "weights.md").read_text().split("## Configuration")[1]
    documented = {name.strip(" `") for line in table.splitlines() if line.startswith("| `")
                  for name in line.split("|")[1].split(",")}
    expanded = set()
    for name in documented:
        expanded.add(name if name in uldor_config.FIELDS else next(
            (f for f in uldor_config.FIELDS if f.endswith(f".{name}")), name))
    assert expanded == set(uldor_config.FIELDS)


def test_classification_backbone(tmp_path: Path) -> None:
    """An ImageNet ResNet's names: all of the backbone, nothing else, and a training takes it."""
    body = {n.removeprefix("backbone.body."): a for n, a in fixture(2).items() if n.startswith("backbone.body.")}
    source, out = tmp_path / "resnet.safetensors", tmp_path / "out.safetensors"
    safetensors_file.save(source, {**body, "fc.weight": np.ones((1000, 8), np.float32), "fc.bias": np.zeros(1000, np.float32)})
    run = convert("torchvision", source, out)
    assert run.returncode == 0 and f"{len(body)} tensors of a backbone" in run.stdout, run.stderr
    found, metadata = safetensors_file.load(out)
    assert found.keys() == {f"backbone.body.{name}" for name in body} and not metadata
    assert all(found[f"backbone.body.{name}"].tobytes() == array.tobytes() for name, array in body.items())
    del body["layer2.0.bn2.running_var"]
    safetensors_file.save(source, body)
    run = convert("torchvision", source, tmp_path / "none")
    assert run.returncode == 1 and "layer2.0.bn2.running_var is missing" in run.stderr and not (tmp_path / "none").exists()


def test_training_begins_with_a_classification_backbone(tmp_path: Path) -> None:
    import training_data
    import uldor

    with training_data.source() as discs:
        with uldor.Trainer(discs, **training_data.SHORT) as first:
            first.save(tmp_path / "w")
        tensors = safetensors_file.load(tmp_path / "w")[0]
        body = {n.removeprefix("backbone.body."): a + 1 for n, a in tensors.items() if n.startswith("backbone.body.")}
        safetensors_file.save(tmp_path / "in.safetensors", body)
        assert convert("torchvision", tmp_path / "in.safetensors", tmp_path / "body.safetensors").returncode == 0
        with uldor.Trainer(discs, **{**training_data.SHORT, "init": tmp_path / "body.safetensors"}) as second:
            second.save(tmp_path / "v")
            assert not any("backbone.body" in line for line in second.report)
    begun = safetensors_file.load(tmp_path / "v")[0]
    assert all((begun[f"backbone.body.{name}"] == array).all() for name, array in body.items())
    assert all((begun[name] == array).all() for name, array in tensors.items() if not name.startswith("backbone.body."))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """A network that training_data.SHORT names, with values that its own seed does not draw."""
    import training_data
    import uldor

    path = tmp_path_factory.mktemp("small") / "w"
    with training_data.source() as discs, uldor.Trainer(discs, **training_data.SHORT, seed=7) as run:
        run.save(path)
    return safetensors_file.load(path)[0]


def of_other_classes(tensors: dict[str, np.ndarray], classes: int) -> dict[str, np.ndarray]:
    """The same network with COCO's last layers instead of the lesion's."""
    random = np.random.default_rng(classes)
    return tensors | {f"{layer}.{kind}": random.normal(size=(rows * classes, *tensors[f"{layer}.{kind}"].shape[1:])).astype(np.float32)
                      for layer, rows in uldor_weights.CLASS_LAYERS.items() for kind in ("weight", "bias")}


@pytest.mark.parametrize("framework, classes, names", [
    ("torchvision", 91, foreign_names.old_torchvision), ("detectron2", 81, foreign_names.detectron2),
    ("mmdetection", 81, foreign_names.mmdetection)])
def test_training_begins_with_a_detector_of_other_classes(
        small: dict[str, np.ndarray], tmp_path: Path, framework: str, classes: int, names: Callable) -> None:
    import training_data
    import uldor

    tensors, source, out = small, tmp_path / "in.safetensors", tmp_path / "initial.safetensors"
    safetensors_file.save(source, names(of_other_classes(tensors, classes)))
    run = convert(framework, source, out)
    assert run.returncode == 1 and f"the checkpoint has {classes}; --initial" in run.stderr and not out.exists()
    run = convert(framework, source, out, "--initial")
    assert run.returncode == 0 and "136 tensors" in run.stdout, run.stderr
    by_class = {name for name in tensors if name.rpartition(".")[0] in uldor_weights.CLASS_LAYERS}
    taken = {name: array for name, array in tensors.items() if name not in by_class}
    assert_same(out, taken, background_lost=False)

    with training_data.source() as discs:
        with uldor.Trainer(discs, **training_data.SHORT) as without:
            without.save(tmp_path / "random")
        options = {**training_data.SHORT, "epochs": 1, "epoch_images": 2}
        with uldor.Trainer(discs, init=out, output=tmp_path / "trained.safetensors", **options) as run:
            assert sorted(run.report[:-1]) == sorted(f"tensor {name} is missing in {out}: random" for name in by_class)
            assert run.report[-1] == f"136 of 142 tensors are taken from {out}, 6 are random"
            run.save(tmp_path / "begun")
            run.run()
        with pytest.raises(uldor.ModelError, match="is missing"):
            uldor.Trainer(discs, init=out)
    begun, metadata = safetensors_file.load(tmp_path / "begun")
    random = safetensors_file.load(tmp_path / "random")[0]
    assert all(begun[name].tobytes() == (random if name in by_class else taken)[name].tobytes() for name in tensors)
    assert json.loads(metadata["uldor"]) == json.loads(safetensors_file.load(out)[1]["uldor"])
    with uldor.Model(tmp_path / "trained.safetensors") as model:
        assert model.class_names == ("background", "lesion")


def test_initial_weights_keep_what_their_values_mean(tmp_path: Path) -> None:
    """The input and the arithmetic are the checkpoint's; the anchors are those of a training without a configuration."""
    import training_data
    import uldor

    source, out = tmp_path / "in.safetensors", tmp_path / "initial.safetensors"
    safetensors_file.save(source, of_other_classes(fixture(2), 91))
    assert convert("torchvision", source, out, "--initial", "--batch-norm-eps", "0", "--classes", "background", "nodule").returncode == 0
    config = configuration(out)
    assert (config["batch_norm_eps"], config["classes"]) == (0, ["background", "nodule"])
    assert (config["input.range"], config["input.mean"][0], config["input.std"][0]) == ([0, 255], 123.675, 58.395)
    with training_data.source() as discs, uldor.Trainer(discs, **training_data.SHORT) as run:
        run.save(tmp_path / "new")
    assert config["anchors.sizes"] == configuration(tmp_path / "new")["anchors.sizes"]

    safetensors_file.save(source, foreign_names.detectron2(of_other_classes(fixture(2), 81)))
    assert convert("detectron2", source, out, "--initial", "--stride-in-1x1", "yes").returncode == 0
    foreign = configuration(out)
    assert (foreign["stride_in_1x1"], foreign["roi_align.aligned"], foreign["anchors.rounded"]) == (True, True, False)
    assert foreign["anchors.sizes"] == config["anchors.sizes"]


def test_initial_weights_with_other_anchors(small: dict[str, np.ndarray], tmp_path: Path) -> None:
    """The RPN's rows are the anchors': an error unless they are told, and random where a training wants others."""
    import training_data
    import uldor

    tensors = of_other_classes(small, 91)
    for layer in ("rpn.head.cls_logits", "rpn.head.bbox_pred"):
        for kind in ("weight", "bias"):
            tensors[f"{layer}.{kind}"] = np.repeat(tensors[f"{layer}.{kind}"], 2, axis=0)
    source, out = tmp_path / "in.safetensors", tmp_path / "initial.safetensors"
    safetensors_file.save(source, tensors)
    run = convert("torchvision", source, out, "--initial")
    assert run.returncode == 1 and "has 6 rows, the configuration (classes, anchors) asks for 3" in run.stderr
    run = convert("torchvision", source, out, "--initial", "--config",
                  '{"anchors": {"sizes": [[8, 12], [16, 24], [32, 48], [64, 96], [128, 192]]}}')
    assert run.returncode == 0, run.stderr
    new = '{"format": 1, "classes": ["background", "lesion"]}'
    with training_data.source() as discs:
        with uldor.Trainer(discs, **training_data.SHORT, init=out) as run:
            assert run.report[-1].startswith("136 of 142")
        with uldor.Trainer(discs, **training_data.SHORT, init=out, config=new) as run:
            assert any(line.startswith("tensor rpn.head.cls_logits.weight has shape [6, 16, 1, 1]") for line in run.report)
            assert run.report[-1].startswith("132 of 142")


def test_the_documents_command_lines(tmp_path: Path) -> None:
    """Those of docs/weights.md as they stand there, but for the interpreter's name and the suffixes that need torch."""
    block = (ROOT / "docs" / "weights.md").read_text().split("## Converters")[1].split("```")[1].removeprefix("sh\n")
    coco = of_other_classes(fixture(2), 91)
    for line in block.splitlines():
        _, tool, checkpoint, *rest = shlex.split(line)
        checkpoint = f"{Path(checkpoint).stem}.safetensors"
        tensors = coco if "coco" in checkpoint else fixture(2)
        foreign = {"detectron2": foreign_names.detectron2, "mmdetection": foreign_names.mmdetection}
        framework = tool.removeprefix("tools/convert_").removesuffix(".py")
        safetensors_file.save(tmp_path / checkpoint, foreign.get(framework, dict)(tensors))
        run = subprocess.run([sys.executable, ROOT / tool, checkpoint, *rest], cwd=tmp_path, capture_output=True, text=True)
        assert run.returncode == 0, (line, run.stderr)
