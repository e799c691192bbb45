# SPDX-License-Identifier: Apache-2.0
"""The programs of examples/python/recipes, as a reader would start them."""
from __future__ import annotations

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


@pytest.mark.parametrize("name", ["detect_png.py", "detect_volume.py", "train_and_evaluate.py"])
def test_recipes_explain_themselves(recipe, name):
    pytest.importorskip("PIL")
    assert "weights" in recipe(name, "--help")


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
