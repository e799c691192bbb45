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


def test_recipe_show_detections(recipe, tmp_path):
    """Lesions found are those that uldor counts, of each patient's best and worst slice; boxes stand in the picture where they are in
    the slice."""
    image = pytest.importorskip("PIL.Image")
    folder = training_data.write(tmp_path / "data")
    detections = []
    with uldor.Dataset(folder) as data:
        for index, about in data.images("train"):
            height, width = about.size
            for number, lesion in enumerate(data.lesions(index)):
                x1, y1, x2, y2 = lesion.box
                runs = [0, 0]
                # One mask, a bar down the first columns, in COCO's order.
                if number == 0:
                    runs = [height * 3 + 5, 10, height * (width - 3) - 15]
                detections.append({"image_id": index, "bbox": [x1, y1, x2 - x1, y2 - y1], "score": 0.9, "category_id": 1,
                                   "segmentation": {"size": [height, width], "counts": runs}})
            detections += [{"image_id": index, "bbox": [0, 0, 3, 3], "score": 0.8, "category_id": 1},
                           {"image_id": index, "bbox": [0, 0, 9, 9], "score": 0.2, "category_id": 1}]
        patients = {about.patient for _, about in data.images("train")}
    (tmp_path / "results.json").write_text(json.dumps(detections))
    lines = recipe("show_detections.py", folder, tmp_path / "results.json", tmp_path / "page.png", "--split", "train", "--side",
                   "256").splitlines()
    assert len(lines) >= len(patients)
    for line in lines:
        found, of, false = map(int, re.search(r"(\d+) of (\d+) found, (\d+) false", line).groups())
        assert found == of and false == 1 and ("1.00" in line) == (of > 0)
    with image.open(tmp_path / "page.png") as page:
        assert page.height > 256 and page.width > 256
        colours = {colour for _, colour in page.getcolors(1 << 24)}
    assert {(0x4a, 0xa3, 0xff), (0x35, 0xd0, 0x7f), (0xff, 0x9a, 0x2e)} <= colours
