"""uldor pack, and packed weights in the place of weights."""

import json
import struct

import pytest

PLACE = ["--spacing", "0.8", "--slice-interval", "2", "--min-score", "0", "--max-detections", "8"]


@pytest.fixture
def packed(tool, tmp_path):
    path = tmp_path / "tiny.packed"
    done = tool("pack", tool.weights, "--out", path)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout == f"135811 parameters packed: {path}\n"
    return path


def findings(tool, weights, image, *options):
    done = tool("detect", "--weights", weights, "--json", "-", "--quiet", *PLACE, *options, image)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["images"]


def test_same_findings(tool, packed, series):
    expected = findings(tool, tool.weights, series / "003.png")
    assert expected[0]["detections"] and findings(tool, packed, series / "003.png") == expected


def test_info(tool, packed):
    mine, theirs = (json.loads(tool("info", "--json", path).stdout) for path in (packed, tool.weights))
    assert {**mine, "path": None} == {**theirs, "path": None}


def test_configuration(tool, packed, series, tmp_path):
    raw = tool.weights.read_bytes()
    header = json.loads(raw[8:8 + struct.unpack("<Q", raw[:8])[0]])
    config, other = tmp_path / "config.json", tmp_path / "other.packed"
    config.write_text(json.dumps({**json.loads(header["__metadata__"]["uldor"]), "mask": {"threshold": 0.35}}))
    assert tool("pack", "-q", "--config", config, "-o", other, tool.weights).stdout == ""
    expected = findings(tool, tool.weights, series / "003.png", "--config", config)
    assert findings(tool, other, series / "003.png") == expected != findings(tool, packed, series / "003.png")
    done = tool("detect", "-w", packed, "--config", config, *PLACE, series / "003.png")
    assert done.returncode == 1 and "is packed with its configuration" in done.stderr


def test_packed_again(tool, packed, tmp_path):
    assert tool("pack", packed, "-o", tmp_path / "again").returncode == 0
    assert (tmp_path / "again").read_bytes() == packed.read_bytes()


@pytest.mark.parametrize("arguments,said", [
    ([], "one weights file is needed"), (["W"], "--out is needed"), (["A", "B", "-o", "C"], "one weights file is needed"),
    (["W", "--out", ""], "out"), (["W", "--map"], "map"),
])
def test_usage(tool, arguments, said):
    done = tool("pack", *arguments)
    assert done.returncode == 2 and said in done.stderr and "uldor pack --help" in done.stderr
    assert tool("pack", "--help").stdout.startswith("usage: uldor pack [options] WEIGHTS --out FILE\n")


def test_weights_are_not_overwritten(tool, tmp_path):
    mine, link = tmp_path / "w.safetensors", tmp_path / "link"
    mine.write_bytes(tool.weights.read_bytes())
    link.symlink_to(mine)
    for place in (mine, link):
        done = tool("pack", mine, "--out", place)
        assert done.returncode == 1 and done.stderr == f"uldor: {place}: this is an input; it is not overwritten\n"
    assert mine.read_bytes() == tool.weights.read_bytes()


@pytest.mark.parametrize("place,said", [("nowhere/x", "No such file"), (".", "not a regular file")])
def test_places(tool, tmp_path, place, said):
    done = tool("pack", tool.weights, "--out", tmp_path / place)
    assert done.returncode == 1 and done.stdout == "" and said in done.stderr and str(tmp_path / place) in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_another_version(tool, packed, series):
    data = bytearray(packed.read_bytes())
    data[8] += 1
    packed.write_bytes(data)
    done = tool("detect", "-w", packed, *PLACE, series / "003.png")
    assert done.returncode == 1 and done.stdout == ""
    assert f"{packed}: packed by another version of libuldor: make it again with uldor pack" in done.stderr


def test_not_for_training(tool, packed, tmp_path):
    from dataset_files import SERIES, row, write_csv, write_slice
    import cli_files

    write_csv(tmp_path, [row()])
    for number, slice_ in enumerate(cli_files.phantom(9, 96, 128), 1):
        write_slice(tmp_path, SERIES, number, slice_)
    done = tool("train", "--data", tmp_path, "--init", packed, "--out", tmp_path / "W.safetensors")
    assert done.returncode == 1 and "tiny.packed: packed weights only detect" in done.stderr
