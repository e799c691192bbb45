"""Commands, options, exit codes and messages."""

import json
import math
import struct

import numpy as np
import pytest
from PIL import Image

RECIST = [10.2, 30.1, 52.7, 34.9, 29.0, 20.4, 33.6, 47.3]


def test_version_and_help(tool):
    assert tool("--version").stdout.startswith("uldor 0.")
    for arguments in (["--help"], ["detect", "--help"], ["info", "-h"], ["pseudo-mask", "--help"]):
        done = tool(*arguments)
        assert done.returncode == 0 and done.stdout.startswith("usage: uldor") and done.stderr == ""


@pytest.mark.parametrize("arguments, text", [
    ([], "usage"),
    (["frobnicate"], "no such command"),
    (["detect"], "--weights is missing"),
    (["detect", "-w", "w"], "no image"),
    (["detect", "--frob", "x"], "unknown option --frob"),
    (["detect", "--json"], "needs a value"),
    (["detect", "-w", "w", "--spacing", "0", "x"], "--spacing"),
    (["detect", "-w", "w", "--spacing", "1,2,3", "x"], "--spacing"),
    (["detect", "-w", "w", "--spacing", "nan", "x"], "--spacing"),
    (["detect", "-w", "w", "--slice-interval", "-1", "x"], "--slice-interval"),
    (["detect", "-w", "w", "--slices", "5-3", "x"], "--slices"),
    (["detect", "-w", "w", "--slices", "99999999999999999999", "x"], "--slices"),
    (["detect", "-w", "w", "--orientation", "LLS", "x"], "--orientation"),
    (["detect", "-w", "w", "--min-score", "1.5", "x"], "--min-score"),
    (["detect", "-w", "w", "--nms-threshold", "1.1", "x"], "--nms-threshold"),
    (["detect", "-w", "w", "--threads", "0", "x"], "--threads"),
    (["detect", "-w", "w", "--class-rule", "any", "x"], "--class-rule"),
    *((["detect", "-w", "w", "--memory-limit", size, "x"], "--memory-limit")
      for size in ("", "0", "-1", "M", "5X", "5MB", "5m", "1.5G", " 5", "0x10", "9999999999G", "99999999999999999999")),
    (["detect", "-w", "w", "--exact=1", "x"], "--exact"),
    (["detect", "-w", "w", "--window", "50,0", "x"], "--window"),
    (["detect", "-w", "w", "-j", "-", "-o", "-", "x"], "standard output"),
    (["info"], "one weights file"),
    (["info", "a", "b"], "one weights file"),
    (["pseudo-mask", "1,2,3", "64x64", "o.png"], "eight numbers"),
    (["pseudo-mask", "1,2,3,4,5,6,7,8", "64", "o.png"], "size"),
    (["pseudo-mask", "1,2,3,4,5,6,7,8", "0x64", "o.png"], "size"),
    (["pseudo-mask", "1,2,3,4,5,6,7,8", "64x99999", "o.png"], "size"),
])
def test_usage_errors(tool, arguments, text, tmp_path):
    done = tool(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert text in done.stderr
    assert done.stdout == "" and list(tmp_path.iterdir()) == []


def test_weights_that_are_not(tool, tmp_path, series):
    garbage = tmp_path / "garbage.safetensors"
    garbage.write_bytes(b"\xff" * 100)
    for weights in (tmp_path / "absent.safetensors", garbage, tmp_path):
        done = tool("detect", "-w", weights, "--spacing", "1", series / "003.png")
        assert done.returncode == 1 and done.stderr.startswith(f"uldor: {weights}: ")
        assert tool("info", weights).returncode == 1


def test_configuration_from_a_file(tool, tmp_path):
    config = tmp_path / "config.json"
    anchors = {"sizes": [[16], [24], [32], [48], [96]]}
    config.write_text(json.dumps({"format": 1, "name": "another name", "classes": ["background", "lesion"], "anchors": anchors}))
    assert "another name" in tool("info", "--config", config, tool.weights).stdout
    config.write_text("{")
    assert tool("info", "--config", config, tool.weights).returncode == 1
    assert tool("info", "--config", tmp_path / "absent", tool.weights).returncode == 1


def test_info(tool):
    raw = tool.weights.read_bytes()
    header = json.loads(raw[8:8 + struct.unpack("<Q", raw[:8])[0]])
    config = json.loads(header["__metadata__"]["uldor"])
    text = tool("info", tool.weights)
    assert text.returncode == 0 and config["name"] in text.stdout and "background, lesion" in text.stdout
    document = json.loads(tool("info", "--json", tool.weights).stdout)
    assert document["name"] == config["name"] and document["classes"] == config["classes"]
    assert document["depth"] == 18 and document["input"]["slices"] == 3 and document["parameters"] > 0
    assert document["config"]["anchors"]["sizes"] == config["anchors"]["sizes"]
    side = document["input"]["max_size"]
    assert document["scratch_bytes"] > 4 * 3 * side * side and f"for a slice of {side} x {side}" in text.stdout


def text_of(recist):
    return ",".join(map(str, recist))


def test_pseudo_mask(tool, tmp_path):
    path = tmp_path / "mask.png"
    done = tool("pseudo-mask", text_of(RECIST), "64x60", path)
    assert done.returncode == 0, done.stderr
    image = Image.open(path)
    assert image.mode == "L" and image.size == (64, 60)
    mask = np.asarray(image)
    assert set(np.unique(mask)) == {0, 255}
    (ax, ay), (bx, by) = (RECIST[2] - RECIST[0], RECIST[3] - RECIST[1]), (RECIST[6] - RECIST[4], RECIST[7] - RECIST[5])
    area = math.pi / 4 * abs(ax * by - ay * bx)
    assert abs((mask > 0).sum() - area) < 0.01 * area + 2
    assert f"{area:.2f}" in done.stdout and str((mask > 0).sum()) in done.stdout


def test_pseudo_mask_in_deeplesion_coordinates(tool, tmp_path):
    tool("pseudo-mask", text_of(RECIST), "64x60", tmp_path / "a.png")
    tool("pseudo-mask", "--deeplesion", text_of([c + 0.5 for c in RECIST]), "64x60", tmp_path / "b.png")
    assert np.array_equal(Image.open(tmp_path / "a.png"), Image.open(tmp_path / "b.png"))


def test_pseudo_mask_to_standard_output_and_negative_coordinates(tool, tmp_path):
    arguments = ["pseudo-mask", "--", text_of([-5.5, 20, 20, 20, 8, 10, 8, 30]), "40x40"]
    tool(*arguments, tmp_path / "a.png")
    done = tool(*arguments, "-", text=False)
    assert done.stdout == (tmp_path / "a.png").read_bytes()


def test_pseudo_mask_of_a_line(tool, tmp_path):
    done = tool("pseudo-mask", "1,1,9,9,2,2,5,5", "64x64", tmp_path / "mask.png")
    assert done.returncode == 1 and done.stderr.startswith("uldor: ") and list(tmp_path.iterdir()) == []
