"""uldor froc: what it reads, what it refuses, what it writes."""

import json
import xml.etree.ElementTree

import numpy as np
import pytest
from PIL import Image

import dataset_files as files


def row(patient, number, x, y, size=20, kind=3, split=3):
    r = size / 2
    recist = (x - r, y, x + r, y, x, y - r / 2, x, y + r / 2)
    box = (x - r - 5, y - r / 2 - 5, x + r + 5, y + r / 2 + 5)
    return files.row(f"{patient:06d}_01_01", number, recist=recist, box=box, type_=kind, spacing=(0.8, 0.8, 5), size=(512, 512),
                     split=split, Lesion_diameters_Pixel_=f"{size}, {r}")


@pytest.fixture
def truth(tmp_path):
    path = tmp_path / "DL_info.csv"
    rows = [row(p, n, 60 + 20 * n, 100 + p, size=6 + 9 * n, kind=n) for p in range(1, 9) for n in (1, 4)]
    path.write_text(files.text([*rows, row(9, 1, 100, 100, split=1)]))
    return path


def detections(**changes):
    """One on each lesion but patient 8's, which is missed; and one beside it."""
    found = []
    for p in range(1, 8):
        for n in (1, 4):
            r, x, y = (6 + 9 * n) / 2, 60 + 20 * n, 100 + p
            box = [x - r - 6, y - r / 2 - 6, 2 * r + 11, r + 11]
            found.append({"file_name": f"{p:06d}_01_01_{n:03d}.png", "bbox": box, "score": 0.5 + p / 20, "category_id": 1})
            found.append({"image_id": f"{p:06d}_01_01/{n:03d}", "bbox": [300, 300, 20, 30], "score": p / 20, "category_id": 1})
    found[3].update(changes)
    return found


@pytest.fixture
def results(tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(detections()))
    return path


def test_table_and_json(tool, truth, results, tmp_path):
    out = tmp_path / "froc.json"
    done = tool("froc", "--truth", truth, "--detections", results, "--json", out, "--bootstrap", 50, "--levels", "0,0.5,2")
    assert done.returncode == 0, done.stderr
    assert "16 images of 8 patients, 16 lesions; 28 detections: 14 false" in done.stdout
    document = json.loads(out.read_text())
    everything = document["subsets"][0]
    assert everything["lesions"] == 16 and everything["hits"] == 14
    assert [level["sensitivity"] for level in everything["levels"]] == [14 / 16, 14 / 16, None]
    assert not everything["levels"][2]["reached"]
    assert {s["name"] for s in document["subsets"]} == {"all", "type 1", "type 4", "< 10 mm", "10-30 mm", "> 30 mm"}
    assert document["curve"][-1][1:] == [14 / 16, 14 / 16]
    again = tool("froc", "--truth", truth, "--detections", results, "--json", "-", "--bootstrap", 50, "--levels", "0,0.5,2",
                 "--threads", 1)
    assert again.stdout == out.read_text()
    deeplesion = tool("froc", "-t", truth, "-d", results, "-c", "deeplesion", "-l", "2", "-j", "-")
    assert json.loads(deeplesion.stdout)["subsets"][0]["levels"][0]["sensitivity"] == 14 / 16


def test_lesions_of_unknown_type_are_only_among_all(tool, tmp_path):
    path, found = tmp_path / "DL_info.csv", tmp_path / "results.json"
    found.write_text("[]")
    for kinds, names in (((-1, 2), {"all", "type 2"}), ((-1, -1), {"all"})):
        path.write_text(files.text([row(p, 1, 100, 100, kind=kind) for p, kind in enumerate(kinds, 1)]))
        done = tool("froc", "-t", path, "-d", found, "-j", "-")
        assert done.returncode == 0, done.stderr
        subsets = {s["name"]: s["lesions"] for s in json.loads(done.stdout)["subsets"] if "mm" not in s["name"]}
        assert set(subsets) == names and subsets["all"] == 2
        assert "type -1" not in tool("froc", "-t", path, "-d", found).stdout


def test_plots(tool, truth, results, tmp_path):
    for name in ("plot.svg", "plot.png"):
        done = tool("froc", "-t", truth, "-d", results, "-b", 50, "-q", "-p", tmp_path / name)
        assert done.returncode == 0 and done.stdout == "", done.stderr
    xml.etree.ElementTree.parse(tmp_path / "plot.svg")
    pixels = np.asarray(Image.open(tmp_path / "plot.png"))
    assert pixels.shape[:2] == (920, 1280) and (pixels != 255).any()


@pytest.mark.parametrize("changes, text", [
    (dict(image_id="000001_01_01/099"), r"line 1: [3]: unknown slice '000001_01_01/099'"),
    (dict(image_id=99), "line 1: [3]: unknown slice"),
    (dict(image_id="000009_01_01_001.png"), "[3]: slice 000009_01_01/001 is of another split"),
    (dict(score=float("nan")), "line 1: invalid token near 'NaN'"),
    (dict(score=1.5), "[3]: score is 1.5"),
    (dict(score="high"), "[3]: score is not a number"),
    (dict(bbox=[1, 2, -3, 4]), "[3]: a box of negative size"),
    (dict(bbox=[1, 2, 3]), "[3]: bbox is not"),
    (dict(bbox=[1e300, 2, 3, 4]), "[3]: a box that reaches to"),
    (dict(category_id=7), "[3]: category_id is 7"),
    (dict(category_id=2), "000001_01_01/004: image 1: detection"),
])
def test_detections_that_cannot_be_used_are_named(tool, truth, tmp_path, changes, text):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(detections(**changes)))
    out = tmp_path / "out.json"
    done = tool("froc", "-t", truth, "-d", path, "-j", out)
    assert done.returncode == 1 and done.stdout == "" and not out.exists()
    assert str(path) in done.stderr and text in done.stderr


def test_detections_are_named_by_line(tool, truth, tmp_path):
    """However they lie: one a line, several, one over lines, brackets and commas within texts."""
    good = detections()[:5]
    for entry in good:
        entry["note"] = 'a "quoted", [bracketed] {braced} \\ text'
    good[1]["score"] = good[4]["score"] = 7
    lines = [json.dumps(entry) for entry in good]
    path = tmp_path / "bad.json"
    for text, first, second in [
            ("[\n" + ",\n".join(lines) + "\n]\n", 3, 6),
            (f"[{lines[0]}, {lines[1]},\n\n{lines[2]}\n,{lines[3]}\n,\n\n{lines[4]}]", 1, 7),
            (json.dumps(good, indent=1), None, None)]:
        if first is None:
            starts = [number for number, line in enumerate(text.splitlines(), 1) if line == " {"]
            first, second = starts[1], starts[4]
        path.write_text(text)
        done = tool("froc", "-t", truth, "-d", path)
        assert done.returncode == 1
        assert f"line {first}: [1]: score is 7" in done.stderr and f"line {second}: [4]: score is 7" in done.stderr, done.stderr


def test_files_that_cannot_be_used_are_named(tool, truth, results, tmp_path):
    lines = truth.read_text().splitlines()
    bad = tmp_path / "bad.csv"
    bad.write_text("\n".join([*lines[:3], lines[3].replace(',"', ',"x', 1), *lines[4:]]) + "\n")
    done = tool("froc", "-t", bad, "-d", results)
    assert done.returncode == 1 and f"{bad}:4:" in done.stderr
    for content in ("{", "{}", "[1]"):
        path = tmp_path / "wrong.json"
        path.write_text(content)
        done = tool("froc", "-t", truth, "-d", path)
        assert done.returncode == 1 and str(path) in done.stderr
    assert tool("froc", "-t", tmp_path / "none.csv", "-d", results).returncode == 1
    assert tool("froc", "-t", truth, "-d", tmp_path / "none.json").returncode == 1
    assert tool("froc", "-t", truth, "-d", results, "-j", "/dev/full").returncode == 1


def test_usage(tool, truth, results):
    assert tool("froc", "--help").returncode == 0
    for bad in ([], ["-t", truth], ["-t", truth, "-d", results, "x"], ["-t", truth, "-d", results, "-p", "plot.pdf"],
                ["-t", truth, "-d", results, "-l", "-1"], ["-t", truth, "-d", results, "-c", "other"],
                ["-t", truth, "-d", results, "--split", "tests"], ["--wrong"]):
        done = tool("froc", *bad)
        assert done.returncode == 2 and "uldor froc --help" in done.stderr


def test_table_alone_with_bad_rows_left_out(tool, truth, results, tmp_path):
    """No image is looked for where there is only a table."""
    lines = truth.read_text().splitlines()
    lines[-1] = lines[-1].replace('"', "'", 1)
    truth.write_text("\n".join(lines) + "\n")
    assert tool("froc", "-t", truth, "-d", results).returncode == 1
    done = tool("froc", "-t", truth, "-d", results, "--on-bad", "skip")
    assert done.returncode == 0 and "16 images of 8 patients, 16 lesions" in done.stdout, done.stderr
    assert f"DL_info.csv:{len(lines)}" in done.stderr and "uldor: warning: 1 bad row left out" in done.stderr


def test_truth_outside_of_windows_is_counted(tool, truth, results, tmp_path):
    windows = tmp_path / "windows.csv"
    windows.write_text("series,x1,y1,x2,y2\n" + "".join(
        f"{p:06d}_01_01,1,1,{10 if p == 8 else 512},512\n" for p in range(1, 10)))
    done = tool("froc", "-t", truth, "-d", results, "--windows", windows, "--no-image-free-box")
    assert done.returncode == 0 and "14 images of 7 patients, 14 lesions" in done.stdout, done.stderr
    assert "uldor: warning: 2 lesions left out: outside the window\n" in done.stderr
    assert "uldor: warning: 2 images left out: no lesion within the window\n" in done.stderr


def test_what_is_said_twice_is_refused(tool, truth, tmp_path):
    path = tmp_path / "results.json"
    path.write_text('[{"file_name": "000001_01_01_001.png",\n"bbox": [1, 2, 3, 4], "score": 0.5, "score": 0.9}]')
    done = tool("froc", "-t", truth, "-d", path)
    assert done.returncode == 1 and f"{path}: line 2: duplicate object key" in done.stderr, done.stderr


@pytest.mark.parametrize("option", ["--json", "--plot"])
def test_inputs_are_not_written_over(tool, truth, results, tmp_path, option):
    windows = tmp_path / "windows.csv"
    windows.write_text("series,x1,y1,x2,y2\n" + "".join(f"{p:06d}_01_01,1,1,512,512\n" for p in range(1, 10)))
    both = tool("froc", "-t", truth, "-d", results, "--json", tmp_path / "y.svg", "--plot", tmp_path / "y.svg")
    assert both.returncode == 1 and "two outputs cannot go to one file" in both.stderr and not (tmp_path / "y.svg").exists()
    for path in (truth, results, windows):
        place = tmp_path / "x.svg"
        place.unlink(missing_ok=True)
        place.symlink_to(path)
        before = path.read_bytes()
        done = tool("froc", "-t", truth, "-d", results, "--windows", windows, option, place)
        assert done.returncode == 1 and f"{place}: this is an input; it is not overwritten" in done.stderr
        assert path.read_bytes() == before
