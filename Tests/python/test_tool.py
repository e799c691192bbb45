# SPDX-License-Identifier: Apache-2.0
"""The command-line tool and the Python package say the same about a real key slice."""
import json
import os
import subprocess
from pathlib import Path

import cv2
import numpy
import pytest

import uldor


def test_tool_and_package_agree(root):
    data = Path(os.environ.get("ULDOR_TEST_DATA", root.parent / "shared" / "data")) / "deeplesion_mini"
    folder, weights = data / "Images_png" / "000001_03_01", root / "share" / "uldor-demo.safetensors"
    if not folder.is_dir():
        pytest.skip("no DeepLesion slices beside the project")
    told = subprocess.run(
        [root / "build" / "bin" / "uldor", "detect", "-w", weights, "--min-score", "0.1", "--spacing", "0.8", "--slice-interval", "1",
         "--json", "-", folder / "088.png"], capture_output=True, check=True, text=True).stdout
    expected = json.loads(told)["images"][0]["detections"]
    slices = [cv2.imread(str(folder / f"{number:03d}.png"), cv2.IMREAD_UNCHANGED) for number in range(86, 91)]
    with uldor.Model(weights) as model, model.session(score_threshold=0.1) as session:
        found = session.detect(slices, key_slice=2, spacing=0.8, slice_interval=1, intercept=-32768)
        assert len(found) == len(expected) > 0
        for ours, theirs in zip(found, expected):
            assert ours.score == pytest.approx(theirs["score"], abs=1e-6)
            box = theirs["box"]
            assert numpy.allclose(ours.box, list(box.values()) if isinstance(box, dict) else box, atol=1e-5)
            assert list(ours.rle["counts"]) == theirs["mask"]["counts"]
