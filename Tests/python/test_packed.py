# SPDX-License-Identifier: Apache-2.0
"""Packed weights: the same bits as the weights they were made from, wherever these are taken; and who may not have them."""
from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

import uldor
from safetensors_bytes import changed

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
WEIGHTS = ["tiny_2class", "tiny_3class", "tiny_2class_fp16", "tiny_2class_bf16"]


def findings(model, volume, instructions="best"):
    with model.session(threads=2, instructions=instructions, score_threshold=0.01) as session:
        with session.detect(volume, spacing=(0.7, 0.9), slice_interval=1.5) as found:
            assert len(found) > 10
            return [(d.score, d.label, d.box, d.mask.tobytes(), str(d.long_diameter)) for d in found]


@pytest.fixture(scope="module")
def packed(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("packed") / "model.packed"
    model.save_packed(path)
    return path


@pytest.mark.parametrize("name", WEIGHTS)
def test_same_bits(name, volume, tmp_path):
    path = tmp_path / "model.packed"
    with uldor.Model(FIXTURES / f"{name}.safetensors") as model:
        model.save_packed(path)
        expected, info, config, texts = findings(model, volume), model.info, model.config, (model.name, model.class_names)
    for loaded in (uldor.Model(path), uldor.Model(path, threads=1), uldor.Model(path, memory_map=True),
                   uldor.Model.from_bytes(path.read_bytes())):
        with loaded:
            assert (loaded.info, loaded.config, (loaded.name, loaded.class_names)) == (info, config, texts)
            assert findings(loaded, volume) == expected


@pytest.mark.parametrize("instructions", ["portable", "avx2", "avx512"])
def test_one_layout_for_all_instructions(model, packed, volume, instructions):
    try:
        expected = findings(model, volume, instructions)
    except uldor.Unsupported:
        pytest.skip(f"no {instructions} here")
    with uldor.Model(packed, memory_map=True) as loaded:
        assert findings(loaded, volume, instructions) == expected


def test_configuration_in_use_is_packed(weights, model, volume, tmp_path):
    config = {**model.config, "name": "Lésion", "batch_norm_eps": 0.5, "box": {"detections": 3}}
    path = tmp_path / "model.packed"
    with uldor.Model(weights, config=config) as other:
        other.save_packed(path)
        expected = other.info
    with uldor.Model(path) as loaded:
        assert loaded.config == config and loaded.name == "Lésion" and loaded.info == expected
    # Of the batch norm nothing is left that another configuration could fold.
    with pytest.raises(ValueError, match="options.config: .*model.packed is packed with its configuration"):
        uldor.Model(path, config=config)


def test_no_configuration(weights3, tmp_path):
    """What is guessed from the shapes is guessed again."""
    data = weights3.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    del header["__metadata__"]
    text = json.dumps(header).encode()
    path = tmp_path / "model.packed"
    with uldor.Model.from_bytes(len(text).to_bytes(8, "little") + text + data[8 + size:]) as bare:
        bare.save_packed(path)
        expected = bare.info
    with uldor.Model(path) as loaded:
        assert loaded.config == {} and loaded.info == expected and loaded.info.classes == 3


def test_layout_belongs_to_the_version(packed):
    """Who changes how weights are packed, or the order of the layers, must increase PackedHeader.version, and then this."""
    data = packed.read_bytes()
    image = data[-int.from_bytes(data[48:56], "little"):]
    assert int.from_bytes(data[8:12], "little") == 1
    assert hashlib.sha256(image).hexdigest() == IMAGE


IMAGE = "3f724891885235fb83a4da76b34164f0b33d8711695db449d0b213802869d69c"


def test_values_lie_where_the_document_says(weights, packed):
    """[panel][tap][channel][16], batch norm folded: the first layer is the stem."""
    from safetensors_bytes import tensors

    data, stored = packed.read_bytes(), tensors(weights)
    image = numpy.frombuffer(data[-int.from_bytes(data[48:56], "little"):], "<f4")
    eps = numpy.float32(1e-5)
    norm = {part: stored[f"backbone.body.bn1.{part}"] for part in ("weight", "bias", "running_mean", "running_var")}
    scale = norm["weight"] / numpy.sqrt(norm["running_var"] + eps)
    kernel = stored["backbone.body.conv1.weight"] * scale[:, None, None, None]
    out, channels = kernel.shape[:2]
    expected = numpy.zeros((-(-out // 16), 7, 7, channels, 16), numpy.float32)
    for index in range(out):
        expected[index // 16, ..., index % 16] = kernel[index].transpose(1, 2, 0)
    # The division may differ in its last bit.
    numpy.testing.assert_allclose(image[:expected.size], expected.ravel(), rtol=1e-6)
    bias = norm["bias"] - norm["running_mean"] * scale
    at = -(-expected.size // 16) * 16
    numpy.testing.assert_allclose(image[at:at + out], bias, rtol=1e-5, atol=1e-6)


def test_not_for_training(packed, discs, tmp_path):
    for options in ({"init": packed}, {"init": packed, "architecture": "resnet18"}):
        with pytest.raises(uldor.Unsupported, match="model.packed: packed weights only detect: training needs the file"):
            uldor.Trainer(discs, output=tmp_path / "out", resume="never", epochs=1, **options)
    assert list(tmp_path.iterdir()) == []


def test_same_model_for_mined_examples(weights, packed, discs, tmp_path):
    """Mined with the packed file, learned from with the weights: one fingerprint."""
    mined = {}
    for name, path in (("weights", weights), ("packed", packed)):
        with uldor.Model(path) as loaded:
            uldor.mine(loaded, discs, tmp_path / name, split="train", threads=1)
        mined[name] = (tmp_path / name).read_bytes()
    assert mined["weights"] == mined["packed"]


def test_no_room(packed, tmp_path):
    """A limit on file sizes stands for a full disk: an error, nothing half-written, and what was there stays."""
    place = tmp_path / "there"
    place.write_text("before")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with uldor.Model(packed) as loaded, pytest.raises(uldor.FileError, match="there: cannot write: File too large"):
            loaded.save_packed(place)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert [p.name for p in tmp_path.iterdir()] == ["there"] and place.read_text() == "before"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_directory(model, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(uldor.FileError, match="Permission denied"):
        model.save_packed(tmp_path / "x")


def test_odd_paths(model, tmp_path):
    with pytest.raises(uldor.FileError, match="not a regular file"):
        model.save_packed(tmp_path)
    with pytest.raises(uldor.FileError, match="No such file or directory"):
        model.save_packed(tmp_path / "nowhere" / "x")
    closed = uldor.Model(FIXTURES / "tiny_2class.safetensors")
    closed.close()
    with pytest.raises(ValueError):
        closed.save_packed(tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_link_stays_a_link(model, packed, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "file").write_text("")
    model.save_packed(tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_bytes() == packed.read_bytes()


@pytest.mark.parametrize("wrong", [numpy.nan, numpy.inf])
def test_weights_with_bad_values_are_never_packed(weights, wrong):
    bad = {"rpn.head.cls_logits.bias": numpy.array([0, wrong, 0], "<f4")}
    with pytest.raises(uldor.ModelError, match="rpn.head.cls_logits.bias"):
        uldor.Model.from_bytes(changed(weights, bad))


CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
import uldor
model = uldor.Model(sys.argv[2], memory_map=sys.argv[3] == "1")
sums, inside = {"Pss": 0, "Private_Dirty": 0, "Rss": 0}, False
print(flush=True), input()
for line in open("/proc/self/smaps"):
    if "-" in line.split()[0] and ":" not in line.split()[0]:
        inside = sys.argv[2] in line
    elif inside and line.split(":")[0] in sums:
        sums[line.split(":")[0]] += int(line.split()[1]) * 1024
print(*sums.values(), flush=True)
input()
"""


def test_processes_share_what_they_map(packed, root):
    size = packed.stat().st_size
    children = [subprocess.Popen([sys.executable, "-c", CHILD, str(root / "examples/python/src"), str(packed), "1"], text=True,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
    try:
        for child in children:
            child.stdout.readline()
        for child in children:
            print(file=child.stdin, flush=True)
            share, dirty, resident = map(int, child.stdout.readline().split())
            assert dirty == 0 and resident > 0.9 * size and share < 0.6 * size
    finally:
        for child in children:
            child.communicate("\n\n")
