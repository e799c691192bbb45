"""Real slices, where they lie beside the project."""

import json

import pytest
from cli_tool import ROOT

SCORE = ["--min-score", "0", "--max-detections", "10"]


@pytest.fixture(params=["tiny", "demo"])
def any_tool(tool, request):
    if request.param == "tiny":
        return tool
    weights = ROOT / "share" / "uldor-demo.safetensors"
    if not weights.exists():
        pytest.skip("no demonstration weights")
    return type(tool)(tool.binary, weights)


def test_nifti_and_png_are_the_same_scan(any_tool, data):
    folder = data / "lung1"
    if not folder.is_dir():
        pytest.skip("no lung1")
    volume = folder / "lung1_image.nii.gz"
    for number in (14, 15, 48):
        (nifti,) = any_tool.images(*SCORE, "--slices", str(48 - number), volume)
        x, y = nifti["spacing_mm"]
        (png,) = any_tool.images(*SCORE, "--spacing", f"{x},{y}", "--slice-interval", str(nifti["slice_interval_mm"]),
                                 folder / "Images_png" / "300001_01_01" / f"{number:03d}.png")
        assert nifti["detections"] and png["detections"] == nifti["detections"]
        assert png["input"] == nifti["input"] and png["missing_neighbours"] == nifti["missing_neighbours"]


def test_deeplesion_key_slice(any_tool, data, tmp_path):
    folder = data / "deeplesion_mini"
    if not folder.is_dir():
        pytest.skip("no deeplesion_mini")
    out = tmp_path / "o.json"
    done = any_tool.detect(*SCORE, "--info", folder / "DL_info.csv", "--json", out, "--overlay", tmp_path / "o.png",
                           folder / "Images_png" / "000001_03_01" / "088.png")
    assert done.returncode == 0, done.stderr
    (image,) = json.loads(out.read_text())["images"]
    assert image["spacing_mm"] == [0.732422, 0.732422] and image["slice_interval_mm"] == 1
    assert image["missing_neighbours"] == 0 and image["detections"]
    assert (tmp_path / "o.png").stat().st_size > 100000
