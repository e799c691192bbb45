# SPDX-License-Identifier: Apache-2.0
"""Loading weights: what a model says of itself, and every way in which a file can be wrong."""
from __future__ import annotations

import json
import os
import stat
import struct
import threading

import numpy
import pytest

import uldor
from safetensors_bytes import changed


def split(data):
    """Header as a dict, and the bytes behind it."""
    size = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8:8 + size]), data[8 + size:]


def join(header, body):
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body


@pytest.fixture(scope="module")
def data(weights):
    return weights.read_bytes()


def expected_parameters(header):
    """Values in the tensors that the network uses."""
    total = 0
    for name, entry in header.items():
        if name != "__metadata__" and not name.endswith("num_batches_tracked"):
            total += int(numpy.prod(entry["shape"]))
    return total


def test_info(model, data):
    header, _ = split(data)
    info = model.info
    assert (info.depth, info.classes, info.class_rule) == (18, 2, "per_class")
    assert (info.input_channels, info.mask_size, info.anchors_per_location) == (3, 28, 3)
    shapes = {name: entry["shape"] for name, entry in header.items() if name != "__metadata__"}
    assert info.stem_channels == shapes["backbone.body.conv1.weight"][0]
    assert info.fpn_channels == shapes["backbone.fpn.inner_blocks.0.0.weight"][0]
    assert info.box_channels == shapes["roi_heads.box_head.fc7.weight"][0]
    assert info.mask_channels == shapes["roi_heads.mask_head.0.0.weight"][0]
    assert info.parameters == expected_parameters(header)
    assert 0 < info.memory_bytes < 100 * len(data)
    assert (info.slice_distance_mm, info.spacing_mm, info.max_size) == (2, 0.8, 512)
    assert (info.score_threshold, info.detections) == (numpy.float32(0.05), 100)


def test_three_classes(model3):
    assert model3.info.classes == 3
    assert model3.class_names == ("background", "lesion", "false_positive")


def test_texts(model, data):
    stored = json.loads(split(data)[0]["__metadata__"]["uldor"])
    assert model.config == stored
    assert model.name == stored.get("name", "")
    assert model.description == stored.get("description", "")
    assert model.version == stored.get("version", "")
    assert model.license == stored.get("license", "")
    assert model.class_names == ("background", "lesion")
    assert "uldor.Model" in repr(model)


def test_config_replaces_the_files(weights, model):
    config = {**model.config, "name": "Lésion", "input": {"slices": 3, "spacing_mm": 1.25},
              "box": {"detections": 7, "score_threshold": 0.25}}
    for given in (config, json.dumps(config), json.dumps(config, ensure_ascii=False)):
        with uldor.Model(weights, config=given) as other:
            assert (other.name, other.info.spacing_mm, other.info.detections) == ("Lésion", 1.25, 7)
            assert other.info.score_threshold == 0.25
            assert other.config == config


def test_a_file_without_configuration_is_torchvisions(data):
    header, body = split(data)
    for metadata in (None, {}, {"format": "pt"}):
        plain_header = {name: entry for name, entry in header.items() if name != "__metadata__"}
        if metadata is not None:
            plain_header["__metadata__"] = metadata
        with uldor.Model.from_bytes(join(plain_header, body)) as plain:
            assert plain.config == {} and plain.name == ""
            assert plain.class_names == ("background", "lesion")


@pytest.mark.parametrize("how", ["read", "mapped", "bytes", "bytearray", "memoryview", "array", "odd"])
def test_every_way_to_load_gives_the_same(weights, model, data, how):
    if how in ("read", "mapped"):
        loaded = uldor.Model(str(weights) if how == "read" else weights, memory_map=how == "mapped", threads=2)
    elif how == "odd":
        shifted = numpy.empty(len(data) + 1, numpy.uint8)
        shifted[1:] = numpy.frombuffer(data, numpy.uint8)
        loaded = uldor.Model.from_bytes(shifted[1:])
        shifted[:] = 0
    else:
        convert = {"bytes": bytes, "bytearray": bytearray, "memoryview": memoryview,
                   "array": lambda b: numpy.frombuffer(b, numpy.uint8)}[how]
        loaded = uldor.Model.from_bytes(convert(data))
    tensor = numpy.random.default_rng(1).normal(0, 50, (3, 64, 96)).astype(numpy.float32)
    with loaded, loaded.session() as ours, model.session() as theirs:
        assert loaded.info == model.info
        assert numpy.array_equal(ours.forward(tensor).boxes, theirs.forward(tensor).boxes)


def test_half_precision_files(root):
    tensor = numpy.random.default_rng(2).normal(0, 50, (3, 64, 64)).astype(numpy.float32)
    for kind in ("fp16", "bf16"):
        with uldor.Model(root / "Tests" / "fixtures" / f"tiny_2class_{kind}.safetensors") as half, half.session() as session:
            assert half.info.parameters > 0
            assert len(session.forward(tensor)) > 0


# ---------------------------------------------------------------------------------------------- wrong files

def test_no_such_file(tmp_path):
    missing = tmp_path / "ünbekannt.safetensors"
    with pytest.raises(uldor.FileError, match="(?s)ünbekannt.*[Nn]o such file") as caught:
        uldor.Model(missing)
    assert isinstance(caught.value, OSError) and caught.value.status == -3


def test_a_directory_is_no_file(tmp_path):
    with pytest.raises(uldor.FileError, match="directory"):
        uldor.Model(tmp_path)
    with pytest.raises(uldor.UldorError):
        uldor.Model(tmp_path, memory_map=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_no_permission(tmp_path, data):
    file = tmp_path / "secret.safetensors"
    file.write_bytes(data)
    file.chmod(0)
    with pytest.raises(uldor.FileError, match="[Pp]ermission"):
        uldor.Model(file)
    file.chmod(stat.S_IRUSR)


@pytest.mark.parametrize("mapped", [False, True])
def test_special_and_empty_files(tmp_path, mapped):
    empty = tmp_path / "empty.safetensors"
    empty.write_bytes(b"")
    with pytest.raises(uldor.FormatError):
        uldor.Model(empty, memory_map=mapped)
    with pytest.raises(uldor.UldorError):
        uldor.Model("/dev/null", memory_map=mapped)


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 100, 2000])
def test_cut_short(data, length):
    with pytest.raises(uldor.FormatError) as caught:
        uldor.Model.from_bytes(data[:length])
    assert str(caught.value)


def test_cut_in_the_tensors(data):
    for length in (len(data) // 2, len(data) - 1):
        with pytest.raises(uldor.FormatError):
            uldor.Model.from_bytes(data[:length])


@pytest.mark.parametrize("size", [0, 1, 2**31, 2**63 - 1, 2**63, 2**64 - 1, 2**64 - 8])
def test_absurd_header_sizes(data, size):
    with pytest.raises(uldor.FormatError):
        uldor.Model.from_bytes(struct.pack("<Q", size) + data[8:])


@pytest.mark.parametrize("text", [b"{", b"[]", b"null", b"{}" + b"x", b'{"a":}', b'{"a":{"dtype":"F32"}}', b"\xff\xfe{}",
                                  b"[" * 100000, b'{"a":' * 50000, b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}',
                                  b'{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}',
                                  b'{"a":{"dtype":"F32","shape":[1e30],"data_offsets":[0,4]}}',
                                  b'{"a":{"dtype":"F32","shape":[9223372036854775807,9223372036854775807],"data_offsets":[0,4]}}',
                                  b'{"a":{"dtype":"Q77","shape":[1],"data_offsets":[0,4]}}',
                                  b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}',
                                  b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,99999999]}}'])
def test_damaged_headers(text):
    with pytest.raises((uldor.FormatError, uldor.ModelError)):
        uldor.Model.from_bytes(struct.pack("<Q", len(text)) + text + b"\0" * 16)


def test_random_damage_never_crashes(data):
    """Bytes of the header changed at random: every answer but a crash is right."""
    random = numpy.random.default_rng(3)
    size = 8 + struct.unpack("<Q", data[:8])[0]
    for _ in range(300):
        damaged = bytearray(data)
        for place in random.integers(0, size, random.integers(1, 4)):
            damaged[place] = random.integers(0, 256)
        try:
            uldor.Model.from_bytes(damaged).close()
        except uldor.UldorError as error:
            assert error.status in (-2, -4, -5, -11), error


def test_a_missing_tensor_is_named(weights):
    for name in ("backbone.body.conv1.weight", "backbone.body.layer2.0.bn1.running_var", "backbone.fpn.layer_blocks.3.0.bias",
                 "rpn.head.cls_logits.weight", "roi_heads.box_predictor.bbox_pred.bias",
                 "roi_heads.mask_predictor.mask_fcn_logits.weight"):
        with pytest.raises(uldor.ModelError) as caught:
            uldor.Model.from_bytes(changed(weights, without=name))
        assert name.rsplit(".", 1)[0] in str(caught.value) and caught.value.status == -5


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_not_finite_is_named(data, value):
    header, body = split(data)
    for name in ("backbone.body.layer3.0.conv1.weight", "backbone.body.bn1.running_var", "roi_heads.box_head.fc6.bias"):
        spoilt = bytearray(body)
        end = header[name]["data_offsets"][1]
        spoilt[end - 4:end] = struct.pack("<f", value)
        with pytest.raises(uldor.ModelError, match=name.replace(".", r"\.")):
            uldor.Model.from_bytes(join(header, bytes(spoilt)))


def test_a_tensor_of_wrong_shape_is_named(data):
    header, body = split(data)
    name = "roi_heads.box_head.fc7.weight"
    rows, columns = header[name]["shape"]
    for shape in ([rows * columns], [rows // 2, columns * 2], [rows, columns, 1, 1], [rows * columns, 1]):
        reshaped = {**header, name: {**header[name], "shape": shape}}
        with pytest.raises(uldor.ModelError, match=r"roi_heads\.box_head\.fc7"):
            uldor.Model.from_bytes(join(reshaped, body))


@pytest.mark.parametrize("field, value", [
    ("box.score_treshold", 0.1), ("unknown", 1), ("input.spacing_mm", 0), ("input.spacing_mm", -1), ("input.spacing_mm", "1"),
    ("input.window_hu", [100, 100]), ("input.window_hu", [0]), ("input.std", 0), ("input.mean", [1, 2]), ("input.slices", 5),
    ("input.max_size", 31), ("input.max_size", 4097), ("box.weights", [10, 10, 5]), ("box.detections", 0), ("box.nms_threshold", 2),
    ("anchors.sizes", [[16]]), ("anchors.sizes", [[16, 32], [24], [32], [48], [96]]), ("anchors.aspect_ratios", []),
    ("roi_align.sampling_ratio", 9), ("roi_align.level_rule", "caffe"), ("mask.paste", "both"), ("class_rule", "worst_class"),
    ("classes", ["background"]), ("classes", ["lesion", "background"]), ("format", 2), ("batch_norm_eps", -1),
    ("input.size_divisor", 0), ("input.body_opening", 0),
])
def test_a_wrong_field_is_named(weights, model, field, value):
    config = json.loads(json.dumps(model.config))
    *section, last = field.split(".")
    place = config.setdefault(section[0], {}) if section else config
    place[last] = value
    with pytest.raises(uldor.ModelError) as caught:
        uldor.Model(weights, config=config)
    assert last in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "{\"format\":1", "{\"format\":1,}", "{\"format\":1} x"])
def test_a_configuration_that_is_no_json_object(weights, text):
    with pytest.raises((uldor.ModelError, uldor.FormatError), match="(?i)config"):
        uldor.Model(weights, config=text)


def test_a_configuration_that_json_cannot_hold(weights):
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError):
            uldor.Model(weights, config={"format": 1, "rpn": {"nms_threshold": value}})


def test_a_nul_in_a_string_is_refused(weights):
    with pytest.raises(ValueError):
        uldor.Model("a\0b")
    with pytest.raises(ValueError):
        uldor.Model(weights, config='{"a\0": 1}')


# ------------------------------------------------------------------------------------------------- lifetime

def test_close(weights):
    model = uldor.Model(weights)
    assert not model.closed
    model.close()
    model.close()
    assert model.closed and "closed" in repr(model)
    for use in (lambda: model.info, lambda: model.name, lambda: model.class_names, lambda: model.session(),
                lambda: model.slice_reach(1.0)):
        with pytest.raises(uldor.InvalidArgument, match="model is closed"):
            use()


def test_a_session_outlives_its_closed_model(weights, volume):
    model = uldor.Model(weights)
    session = model.session(resampling=False)
    before = session.detect(volume[3])
    model.close()
    after = session.detect(volume[3])
    session.close()
    assert len(before) and numpy.array_equal(before.boxes, after.boxes)
    assert before[0].mask.shape == volume[3].shape


def test_slice_reach(model):
    # 2 mm away: the neighbours 2 / interval away, rounded up.
    for interval, reach in ((0.5, 4), (0.75, 3), (1, 2), (1.5, 2), (2, 1), (2.5, 1), (5, 1), (10, 1), (0.3, 7)):
        assert model.slice_reach(interval) == reach
    for wrong in (-1.0, float("nan"), float("inf")):
        with pytest.raises((uldor.InvalidArgument, uldor.ImageError), match="interval"):
            model.slice_reach(wrong)


def test_models_load_in_threads(weights):
    failures = []

    def load():
        try:
            for _ in range(3):
                uldor.Model(weights).close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures


def test_log(weights):
    lines = []
    uldor.Model(weights, log=lambda level, line: lines.append((level, line))).close()
    assert all(level in (1, 2) and line and "\n" not in line for level, line in lines)


def test_blocks_that_do_not_fit_together(weights):
    """A block in the middle of a stage with other channels than the stage's: once a write behind the buffer."""
    def norm(name, channels):
        return {f"{name}.{part}": numpy.ones(channels, numpy.float32) for part in ("weight", "bias", "running_mean", "running_var")}

    block = "backbone.body.layer1."
    tensors = {f"{block}0.conv2.weight": numpy.zeros((16, 8, 3, 3), numpy.float32), **norm(f"{block}0.bn2", 16),
               f"{block}0.downsample.0.weight": numpy.zeros((16, 8, 1, 1), numpy.float32), **norm(f"{block}0.downsample.1", 16),
               f"{block}1.conv1.weight": numpy.zeros((8, 16, 3, 3), numpy.float32),
               f"{block}1.downsample.0.weight": numpy.zeros((8, 16, 1, 1), numpy.float32), **norm(f"{block}1.downsample.1", 8)}
    with pytest.raises(uldor.ModelError, match=r"layer1\.1 has 8 channels"):
        uldor.Model.from_bytes(changed(weights, tensors))
