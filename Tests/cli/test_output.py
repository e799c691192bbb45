"""JSON, overlay and table, and that files are there whole or not at all."""

import json
import math
import os
import stat
import struct

import cli_files
import numpy as np
import pytest
from cli_tool import ROOT
from PIL import Image

PLACE = ["--spacing", "0.8,0.9", "--slice-interval", "2", "--min-score", "0", "--max-detections", "8"]


def polygon_contains(points, x, y):
    inside = np.zeros(np.broadcast(x, y).shape, bool)
    for (x1, y1), (x2, y2) in zip(points, points[1:] + points[:1]):
        if y1 != y2:
            inside ^= ((y1 > y) != (y2 > y)) & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
    return inside


def mask_of(detection):
    height, width = detection["mask"]["size"]
    counts = detection["mask"]["counts"]
    assert sum(counts) == height * width
    return np.repeat(np.arange(len(counts)) % 2, counts).astype(bool).reshape(width, height).T


@pytest.fixture
def config(tool, tmp_path):
    """The weights are random and sure of few masks: with a lower threshold there is something to measure."""
    raw = tool.weights.read_bytes()
    header = json.loads(raw[8:8 + struct.unpack("<Q", raw[:8])[0]])
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(header["__metadata__"]["uldor"]), "mask": {"threshold": 0.35}}))
    return path


@pytest.fixture
def document(tool, series, tmp_path, config):
    path = tmp_path / "out.json"
    bad = series / "bad.png"
    bad.write_bytes(b"bad")
    done = tool.detect(*PLACE, "--config", config, "--json", path, series / "003.png", bad)
    assert done.returncode == 1
    return json.loads(path.read_text(), parse_constant=lambda text: pytest.fail(text))


def test_json_follows_its_schema(document):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((ROOT / "docs" / "detections.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)
    good, bad = document["images"]
    assert good["error"] is None and bad["error"] and bad["detections"] == []
    assert good["detections"]


def test_json_agrees_with_itself(document):
    image = document["images"][0]
    scores = [d["score"] for d in image["detections"]]
    assert scores == sorted(scores, reverse=True)
    assert [d["rank"] for d in image["detections"]] == list(range(1, len(scores) + 1))
    x, y = np.arange(image["width"]) + 0.5, np.arange(image["height"])[:, None] + 0.5
    assert sum(mask_of(d).any() for d in image["detections"]) >= 3
    for d in image["detections"]:
        mask = mask_of(d)
        assert mask.sum() == d["area_px"] and math.isclose(d["area_mm2"], d["area_px"] * 0.8 * 0.9, abs_tol=1e-5)
        inside = np.zeros(mask.shape, bool)
        for contour in d["contours"]:
            inside ^= polygon_contains(contour["points"], x, y)
        assert np.array_equal(inside, mask)
        if d["recist"] is None:
            assert not mask.any()
            continue
        for axis in d["recist"].values():
            (x1, y1), (x2, y2) = axis["points"]
            assert math.isclose(math.hypot(x2 - x1, y2 - y1), axis["length_px"], abs_tol=1e-4)
            assert math.isclose(math.hypot((x2 - x1) * 0.8, (y2 - y1) * 0.9), axis["length_mm"], abs_tol=1e-4)
        assert d["recist"]["long"]["length_mm"] >= d["recist"]["short"]["length_mm"]


def test_threads_do_not_matter(tool, series):
    one, two = (tool.images(*PLACE, "--threads", n, series / "003.png") for n in (1, 2))
    assert one == two


def test_settings_and_limits(tool, series):
    done = tool.detect(*PLACE, "--max-detections", "2", "--json", "-", series / "003.png")
    document = json.loads(done.stdout)
    assert document["settings"]["max_detections"] == 2 and len(document["images"][0]["detections"]) == 2
    assert document["settings"]["min_score"] == 0


def test_nms_threshold(tool, series):
    """Boxes that overlap are kept where they may; none is where they may not."""
    def boxes(*options):
        done = tool.detect("--spacing", "0.8,0.9", "--slice-interval", "2", "--min-score", "0.2", "--max-detections", "1000", *options,
                           "--json", "-", series / "003.png")
        document = json.loads(done.stdout)
        return document["settings"]["nms_threshold"], [found["box"] for found in document["images"][0]["detections"]]

    def largest_overlap(found):
        def overlap(a, b):
            width, height = (min(a[i + 2], b[i + 2]) - max(a[i], b[i]) for i in (0, 1))
            common = max(width, 0) * max(height, 0)
            return common / (sum((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)) - common)
        return max(overlap(a, b) for i, a in enumerate(found) for b in found[:i])

    (none, usual), (few_is, few), (many_is, many) = boxes(), boxes("--nms-threshold", "0.2"), boxes("--nms-threshold", "0.8")
    assert (none, few_is, many_is) == (None, 0.2, 0.8)
    assert len(few) < len(usual) < len(many)
    assert largest_overlap(few) <= 0.2 < largest_overlap(usual) <= 0.5 < largest_overlap(many) <= 0.8


def test_exact(tool, series):
    """The same findings, last digits apart."""
    documents = [json.loads(tool.detect(*PLACE, "--json", "-", *options, series / "003.png").stdout) for options in ([], ["--exact"])]
    assert [document["settings"]["exact"] for document in documents] == [False, True]
    fast, exact = (document["images"][0]["detections"] for document in documents)
    assert [d["class"] for d in fast] == [d["class"] for d in exact] and fast != exact
    assert np.allclose([d["score"] for d in fast], [d["score"] for d in exact], atol=1e-4)
    assert np.allclose([d["box"] for d in fast], [d["box"] for d in exact], atol=0.01)


def test_memory_limit(tool, series):
    """A slice that takes more is that slice's failure, with both numbers; enough is enough."""
    slices = [series / "002.png", series / "003.png"]
    done = tool.detect(*PLACE, "--memory-limit", "100K", "--json", "-", *slices)
    assert done.returncode == 1
    for image in json.loads(done.stdout)["images"]:
        assert image["detections"] == [] and "memory_limit is 102400" in image["error"]
    for size in ("1G", "1024M", "1048576K", "1073741824"):
        assert tool.images(*PLACE, "--memory-limit", size, *slices) == tool.images(*PLACE, *slices)


def test_table(tool, series):
    done = tool.detect(*PLACE, series / "003.png")
    (image,) = tool.images(*PLACE, series / "003.png")
    lines = done.stdout.splitlines()
    assert "136 x 120 px of 0.8 x 0.9 mm" in lines[0]
    assert len(lines) == 2 + len(image["detections"]) and lines[2].split()[:2] == ["1", "lesion"]
    done = tool.detect(*PLACE, "--min-score", "1", series / "003.png")
    assert "no findings" in done.stdout


def test_overlay(tool, series, tmp_path):
    path = tmp_path / "o.png"
    assert tool.detect(*PLACE, "--overlay", path, series / "003.png").returncode == 0
    picture = np.asarray(Image.open(path).convert("RGB")).astype(int)
    assert picture.shape == (120 * 8, 136 * 8, 3)
    assert (np.abs(picture[..., 0] - picture[..., 2]) > 60).any()
    assert tool.detect(*PLACE, "--min-score", "1", "--overlay", path, series / "003.png").returncode == 0
    done = tool.detect(*PLACE, "--min-score", "1", "--overlay", "-", series / "003.png", text=False)
    assert done.stdout == path.read_bytes()
    other = tool.detect(*PLACE, "--min-score", "1", "--window", "-600,1500", "--overlay", "-", series / "003.png", text=False)
    assert other.stdout != done.stdout
    named = tool.detect(*PLACE, "--min-score", "1", "--window", "soft", "--overlay", "-", series / "003.png", text=False)
    assert named.stdout == done.stdout


def test_overlay_names(tool, series, tmp_path):
    volume = tmp_path / "v.nii"
    volume.write_bytes(cli_files.nifti_bytes(cli_files.phantom().transpose(2, 1, 0)))
    out = tmp_path / "out"
    out.mkdir()
    images = tool.images(*PLACE, "--slices", "1-2", "--overlay", out / "o.png", series / "003.png", volume)
    assert sorted(p.name for p in out.iterdir()) == ["o-1.png", "o-2-s1.png", "o-2-s2.png"]
    assert [os.path.basename(i["overlay"]) for i in images] == ["o-1.png", "o-2-s1.png", "o-2-s2.png"]
    images = tool.images(*PLACE, "--overlay", out / "p", volume)
    assert [os.path.basename(i["overlay"]) for i in images] == [f"p-s{k}" for k in range(5)]


def test_failures_leave_files_alone(tool, series, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    kept = out / "kept.json"
    kept.write_text("before")
    # weights that cannot be read
    assert tool("detect", "-w", tmp_path / "absent", "--json", kept, series / "003.png").returncode == 1
    assert kept.read_text() == "before" and os.listdir(out) == ["kept.json"]
    # places that cannot be written are named before the work
    for path, text in ((tmp_path / "absent" / "o.json", "No such file"), (out, "directory"), (kept / "o.json", "ot a directory")):
        for option in ("--json", "--overlay"):
            done = tool.detect(*PLACE, option, path, series / "003.png")
            assert done.returncode == 1 and done.stderr.startswith(f"uldor: {path}: ") and text in done.stderr
            assert done.stdout == ""


def test_inputs_are_not_overwritten(tool, series):
    path = series / "003.png"
    before = path.read_bytes()
    for option in ("--json", "--overlay"):
        done = tool.detect(*PLACE, option, path, series / "002.png", path)
        assert done.returncode == 1 and "not overwritten" in done.stderr
    assert path.read_bytes() == before


def test_replacing_keeps_permissions_and_links(tool, series, tmp_path):
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("before")
    target.chmod(0o640)
    link.symlink_to(target)
    assert tool.detect(*PLACE, "--json", link, series / "003.png").returncode == 0
    assert link.is_symlink() and json.loads(target.read_text())["format"] == "uldor-detections"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    new = tmp_path / "new.json"
    assert tool.detect(*PLACE, "--json", new, series / "003.png", umask=0o027).returncode == 0
    assert stat.S_IMODE(new.stat().st_mode) == 0o640


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_full_disk(tool, series):
    for option in ("--json", "--overlay"):
        done = tool.detect(*PLACE, option, "/dev/full", series / "003.png")
        assert done.returncode == 1 and "uldor: /dev/full: No space left on device" in done.stderr
    done = tool("pseudo-mask", "1,5,9,5,5,1,5,9", "20x20", "/dev/full")
    assert done.returncode == 1 and "No space left" in done.stderr
    for arguments in (["detect", "-w", tool.weights, *PLACE, series / "003.png"], ["--help"], ["info", tool.weights],
                      ["detect", "-w", tool.weights, *PLACE, "--json", "-", series / "003.png"], ["info", "--json", tool.weights]):
        with open("/dev/full", "w") as full:
            done = tool(*arguments, capture_output=False, stdout=full, stderr=-1)
        assert done.returncode == 1 and done.stderr == "uldor: standard output: No space left on device\n"


def test_closed_standard_output(tool, series, tmp_path):
    path = tmp_path / "o.json"
    done = tool.detect(*PLACE, "--json", path, series / "003.png", capture_output=False, stderr=-1, preexec_fn=lambda: os.close(1))
    assert done.returncode == 1 and "standard output: Bad file descriptor" in done.stderr
    assert json.loads(path.read_text())["images"][0]["detections"]


def test_file_size_limit_leaves_nothing_behind(tool, series, tmp_path):
    resource = pytest.importorskip("resource")
    signal = pytest.importorskip("signal")
    out = tmp_path / "out"
    out.mkdir()

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    for option in ("--json", "--overlay"):
        done = tool.detect(*PLACE, option, out / "o", series / "003.png", preexec_fn=limit)
        assert done.returncode == 1 and "File too large" in done.stderr and os.listdir(out) == []


def test_names_that_are_not_utf8(tool, series):
    name = os.fsencode(series) + b"/\xff\x1b[31m.png"
    with open(name, "wb") as file:
        file.write((series / "003.png").read_bytes())
    done = tool.detect(*PLACE, "--json", "-", os.fsdecode(name), text=False)
    assert done.returncode == 0 and "\ufffd" in json.loads(done.stdout)["images"][0]["path"]
    assert b"\x1b" not in done.stderr


def test_three_classes(tool, series):
    three = type(tool)(tool.binary, ROOT / "Tests" / "fixtures" / "tiny_3class.safetensors")
    (image,) = tool.images(*PLACE, series / "003.png")
    assert all(d["false_positive_probability"] is None for d in image["detections"])
    for rule in ("per-class", "best-class"):
        done = three.detect(*PLACE, "--class-rule", rule, "--json", "-", series / "003.png")
        document = json.loads(done.stdout)
        assert document["settings"]["class_rule"] == rule.replace("-", "_")
        assert document["model"]["classes"] == ["background", "lesion", "false_positive"]
        for d in document["images"][0]["detections"]:
            assert d["class"] == document["model"]["classes"][d["class_index"]]
            assert d["score"] == d[f"{d['class']}_probability"]
