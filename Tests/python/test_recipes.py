# SPDX-License-Identifier: Apache-2.0
"""The programs of examples/python/recipes, as a reader would start them."""
from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import numpy
import pytest

import training_data
import uldor


@pytest.fixture
def recipe(root):
    """Runs a recipe; what it prints."""
    def run(name, *arguments):
        done = subprocess.run([sys.executable, str(root / "examples/python/recipes" / name), *map(str, arguments)],
                              env={**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(uldor.__file__))},
                              capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize("name", ["detect_png.py", "detect_volume.py", "train_and_evaluate.py", "show_detections.py"])
def test_recipes_explain_themselves(recipe, name):
    pytest.importorskip("PIL")
    assert recipe(name, "--help").startswith(f"usage: {name}")


def test_recipe_volume(recipe, weights, tmp_path, volume):
    numpy.save(tmp_path / "volume.npy", volume)
    lines = recipe("detect_volume.py", weights, tmp_path / "volume.npy", "--spacing", "0.7", "0.7", "--interval", "2.5",
                   "--score", "0.3").splitlines()
    assert lines[0].startswith("slice,class,score") and len(lines) > 1
    assert all(len(line.split(",")) == 10 for line in lines)


def test_recipe_png(recipe, weights, data):
    png = data / "deeplesion_mini" / "Images_png" / "000001_03_01" / "088.png"
    printed = recipe("detect_png.py", weights, png, "--spacing", "0.732422", "--interval", "1", "--score", "0.3")
    assert all("lesion" in line and "box" in line for line in printed.splitlines())


def test_recipe_train_and_evaluate(recipe, tmp_path):
    """What it prints of the weights is what they find; run again, it does not train again."""
    folder, weights = training_data.write(tmp_path / "data"), tmp_path / "w.safetensors"
    arguments = (folder, weights, "--arch", training_data.SMALL, "--epochs", "2", "--split", "validation", "--bootstrap", "0")
    printed = recipe("train_and_evaluate.py", *arguments)
    assert len(re.findall(r"^epoch \d/2: loss \d", printed, re.M)) == 2
    detections = 0
    with uldor.Dataset(folder) as data, uldor.Model(weights) as model, model.session(score_threshold=0.01) as session:
        for index, image in data.images("validation"):
            slices = data.read_image(index, reach=model.slice_reach(image.slice_interval))
            with session.detect(slices.image, **slices.arguments) as found:
                detections += len(found)
    table = printed[printed.index("3 images"):]
    assert table.startswith(f"3 images, 3 patients, 3 lesions, {detections} detections")
    assert re.search(r"^all +3 ", table, re.M) and re.search(r"^10-30 mm +3 ", table, re.M)
    again = recipe("train_and_evaluate.py", *arguments)
    assert "epoch" not in again and again.endswith(table)


@pytest.mark.parametrize("left, top", [(0, 0), (7, 4)])
def test_recipe_show_detections(recipe, tmp_path, left, top):
    """Lesions found are those that are hit, with windows, too: files have boxes of the stored image, masks of the window."""
    image = pytest.importorskip("PIL.Image")
    folder, windows = training_data.write(tmp_path / "data"), tmp_path / "windows.csv"
    side = training_data.SIDE - 8
    windows.write_text("series,x1,y1,x2,y2\n" + "".join(
        f"{series:06d}_01_01,{left + 1},{top + 1},{left + side},{top + side}\n" for series in range(1, 10)))
    detections = []
    with uldor.Dataset(folder, windows=windows) as data:
        for index, about in data.images("train"):
            assert about.window == (left, top) and about.size == (side, side)
            (lesion,) = data.lesions(index)
            x1, y1, x2, y2 = lesion.box
            bar = {"size": [side, side], "counts": [side * 3 + 5, 10, side * (side - 3) - 15]}
            for box, score in (((x1, y1, x2, y2), 0.9), ((0, 0, 3, 3), 0.8), ((0, 0, 9, 9), 0.2)):
                detections.append({"image_id": index, "bbox": [box[0] + left, box[1] + top, box[2] - box[0], box[3] - box[1]],
                                   "score": score, "category_id": 1, "segmentation": bar})
    (tmp_path / "results.json").write_text(json.dumps(detections))
    arguments = (folder, tmp_path / "results.json", tmp_path / "page.png", "--split", "train", "--side", "256", "--windows", windows)
    lines = recipe("show_detections.py", *arguments).splitlines()
    assert len(lines) == 6 and all(line.endswith("1 of 1 found, 1 false, IoU 1.00") for line in lines)
    assert len(recipe("show_detections.py", *arguments, "--patients", "1", "3").splitlines()) == 2
    with image.open(tmp_path / "page.png") as page:
        assert page.size == (2 * 264 + 8, 278 + 16)
        colours = {colour for _, colour in page.getcolors(1 << 24)}
    assert {(0x4a, 0xa3, 0xff), (0x35, 0xd0, 0x7f), (0xff, 0x9a, 0x2e)} <= colours
