"""What images are read, and how those that cannot be are refused."""

import os

import numpy as np
import pytest

import cli_files

SCORE = ["--min-score", "0", "--max-detections", "5"]
PLACE = ["--spacing", "0.8", "--slice-interval", "2"]


def refused(tool, path, *texts, arguments=PLACE):
    done = tool.detect(*arguments, path)
    assert done.returncode == 1, done.stdout
    assert done.stderr.startswith(f"uldor: {path}: "), done.stderr
    for text in texts:
        assert text in done.stderr, done.stderr


def without_place(image):
    return {key: value for key, value in image.items() if key not in ("path", "slice", "voxel_axes")}


def test_png_with_neighbours(tool, series):
    (image,) = tool.images(*SCORE, *PLACE, series / "003.png")
    assert image["slice"] == 3 and image["missing_neighbours"] == 0 and image["voxel_axes"] is None
    assert image["detections"]
    (end,) = tool.images(*SCORE, *PLACE, series / "001.png")
    assert end["missing_neighbours"] == 1
    for name in ("002.png", "004.png"):
        (series / name).unlink()
    (alone,) = tool.images(*SCORE, *PLACE, series / "003.png")
    assert alone["missing_neighbours"] == 2 and alone["detections"] != image["detections"]


def test_png_from_its_own_directory(tool, series):
    (image,) = tool.images(*SCORE, *PLACE, series / "003.png")
    done = tool.detect(*SCORE, *PLACE, "003.png", cwd=series)
    assert done.returncode == 0 and f"{image['detections'][0]['score']:.3f}" in done.stdout


def test_interlaced_png_is_the_same(tool, series):
    (plain,) = tool.images(*SCORE, *PLACE, series / "003.png")
    (series / "003.png").write_bytes(cli_files.hu_png(cli_files.phantom()[2], interlaced=True))
    assert tool.images(*SCORE, *PLACE, series / "003.png") == [plain]


def test_spacing_from_dl_info(tool, series, tmp_path):
    info = tmp_path / "DL_info.csv"
    info.write_text("File_name,Key_slice_index,Spacing_mm_px_,Slice_range\n"
                    '000008_01_01_003.png,3,"0.3, 0.3, 9","1, 5"\n'
                    '000009_01_01_002.png,2,"0.8, 0.8, 2","1, 5"\n')
    (image,) = tool.images(*SCORE, "--info", info, series / "003.png")
    assert image["spacing_mm"] == [0.8, 0.8] and image["slice_interval_mm"] == 2
    assert [image] == tool.images(*SCORE, *PLACE, series / "003.png")
    (image,) = tool.images(*SCORE, "--info", info, "--spacing", "0.7,0.9", series / "003.png")
    assert image["spacing_mm"] == [0.7, 0.9]
    info.write_text("a,b\n1,2\n")
    done = tool.detect("--info", info, series / "003.png")
    assert done.returncode == 1 and "DL_info.csv" in done.stderr


def test_spacing_is_asked_for(tool, series):
    refused(tool, series / "003.png", "--spacing", "--no-resampling", arguments=[])
    (image,) = tool.images(*SCORE, "--no-resampling", series / "003.png")
    assert image["spacing_mm"] is None
    assert all(d["area_mm2"] is None for d in image["detections"])


def test_png_without_number_or_interval(tool, series):
    other = series / "slice.png"
    other.write_bytes((series / "003.png").read_bytes())
    done = tool.detect(*PLACE, other)
    assert done.returncode == 0 and "not a number" in done.stderr
    done = tool.detect("--spacing", "0.8", series / "003.png")
    assert done.returncode == 0 and "slice interval" in done.stderr
    assert tool.detect("--quiet", "--spacing", "0.8", series / "003.png").stderr == ""
    refused(tool, series / "003.png", "too small", arguments=["--spacing", "0.8", "--slice-interval", "0.005"])


@pytest.mark.parametrize("name, data, texts", [
    ("8-bit", cli_files.png_bytes(np.zeros((40, 40)), bits=8), ["8-bit grey", "16-bit grey"]),
    ("rgb", cli_files.png_bytes(np.zeros((40, 40, 3)), bits=8, colour=2), ["8-bit colour"]),
    ("rgb16", cli_files.png_bytes(np.zeros((40, 40, 3)), bits=16, colour=2), ["16-bit colour"]),
    ("alpha", cli_files.png_bytes(np.zeros((40, 40, 2)), bits=16, colour=4), ["transparency"]),
    ("huge", cli_files.png_bytes(np.zeros((4, 4)), size=(16384, 16384)), ["too short"]),
    ("too large", cli_files.png_bytes(np.zeros((4, 4)), size=(900000, 900000)), ["too many"]),
    ("no size", cli_files.png_bytes(np.zeros((4, 4)), size=(0, 4)), ["damaged"]),
    ("signature", cli_files.PNG_SIGNATURE, ["damaged"]),
    ("empty", b"", ["empty"]),
    ("text", b"not an image at all", ["neither"]),
    ("short", b"\x89PN", ["neither"]),
])
def test_png_that_is_refused(tool, tmp_path, name, data, texts):
    path = tmp_path / f"{name}.png"
    path.write_bytes(data)
    refused(tool, path, *texts)


def test_truncated_png_and_bad_neighbours(tool, series):
    path, whole = series / "003.png", (series / "003.png").read_bytes()
    for length in (30, len(whole) // 2, len(whole) - 20):
        path.write_bytes(whole[:length])
        refused(tool, path, "damaged or cut-off PNG")
    path.write_bytes(whole)
    (series / "004.png").write_bytes(cli_files.hu_png(np.zeros((90, 80))))
    refused(tool, path, "neighbour 004.png", "80 x 90")
    (series / "004.png").write_bytes(b"")
    refused(tool, path, "neighbour 004.png")
    refused(tool, series / "absent.png", "No such file")
    refused(tool, series, "directory")
    os.mkfifo(series / "fifo.png")
    refused(tool, series / "fifo.png", "not a regular file")


VOLUME = cli_files.phantom()  # slice, y, x; head to feet, front first, patient's right first


def write_nifti(path, **keywords):
    path.write_bytes(cli_files.nifti_bytes(VOLUME.transpose(2, 1, 0), [[-0.8, 0, 0, 9], [0, -0.8, 0, 9], [0, 0, -2, 9]], **keywords))
    return path


@pytest.fixture
def from_png(tool, series):
    (image,) = tool.images(*SCORE, "--spacing", "0.800000011920929", "--slice-interval", "2", series / "003.png")
    return without_place(image)


@pytest.mark.parametrize("axes", ["LPI", "LPS", "RAS", "RPI", "SLP", "ALS", "PIR"])
def test_nifti_in_any_orientation(tool, from_png, tmp_path, axes):
    voxels, columns = VOLUME.transpose(2, 1, 0), []
    order = [0 if c in "LR" else 1 if c in "PA" else 2 for c in axes]  # which of x, y, slice
    spacing, world = [0.8, 0.8, 2], {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}
    voxels = voxels.transpose(order)
    for axis, letter in enumerate(axes):
        if letter in "RAS":
            voxels = np.flip(voxels, axis)
        row, sign = world[letter]
        column = np.zeros(3)
        column[row] = sign * spacing[order[axis]]
        columns.append(column)
    path = tmp_path / f"{axes}.nii"
    path.write_bytes(cli_files.nifti_bytes(voxels, np.stack(columns + [np.array([3, 4, 5])], 1)))
    (image,) = tool.images(*SCORE, "--slices", "2", path)
    assert without_place(image) == from_png
    letter = "ijk"[order.index(2)]
    assert image["voxel_axes"][2] == ("-" + letter if "S" in axes else letter)
    # slices count along the file's axis
    index = 3 if "S" in axes else 1
    assert [i["slice"] for i in tool.images(*SCORE, "--slices", f"{index}-{index}", path)] == [index]


def test_nifti_kinds(tool, from_png, tmp_path):
    for name, keywords in {"swapped": {"big_endian": True}, "float": {"kind": "float32"},
                           "swapped float": {"kind": "float32", "big_endian": True}}.items():
        path = write_nifti(tmp_path / f"{name}.nii", **keywords)
        assert [without_place(i) for i in tool.images(*SCORE, "--slices", "2", path)] == [from_png], name
    path = tmp_path / "scaled.nii.gz"
    data = cli_files.nifti_bytes(VOLUME.transpose(2, 1, 0).astype(np.int32) + 1024, [[-0.8, 0, 0, 9], [0, -0.8, 0, 9], [0, 0, -2, 9]],
                             kind="uint16", slope=1, intercept=-1024)
    path.write_bytes(cli_files.compressed(data))
    assert [without_place(i) for i in tool.images(*SCORE, "--slices", "2", path)] == [from_png]
    # qform: axes to the left, to the back, to the head
    data = cli_files.nifti_bytes(VOLUME[::-1].transpose(2, 1, 0), kind="int16", form="qform", pixdim=[1, 0.8, 0.8, 2])
    path.write_bytes(data)
    (image,) = tool.images(*SCORE, "--slices", "2", path)
    assert without_place(image) == from_png and image["voxel_axes"] == ["i", "j", "-k"]


def test_nifti_slices(tool, tmp_path):
    path = write_nifti(tmp_path / "v.nii")
    assert [i["slice"] for i in tool.images(path)] == [0, 1, 2, 3, 4]
    assert [i["slice"] for i in tool.images("--slices", "1-3", path)] == [1, 2, 3]
    refused(tool, path, "no slice 5", arguments=["--slices", "5"])


@pytest.mark.parametrize("keywords, text", [
    ({"kind": "uint8"}, "UINT8"), ({"kind": "int32"}, "INT32"), ({"kind": "float64"}, "FLOAT64"), ({"datatype": 9999}, "9999"),
    ({"form": None}, "--orientation"), ({"dims": [4, 136, 120, 5, 2]}, "three dimensions"), ({"dims": [0]}, "dimensions"),
    ({"dims": [3, 136, -120, 5]}, "size -120"), ({"dims": [3, 32767, 32767, 32767]}, "too many"),
    ({"dims": [3, 16000, 16000, 30000]}, "shorter"), ({"dims": [3, 136, 120, 6]}, "shorter"), ({"magic": b"ni1\0"}, ".nii"),
    ({"magic": b"\0\0\0\0"}, "Analyze"), ({"offset": float("nan")}, "offset"), ({"offset": -8.0}, "offset"),
    ({"offset": 1e30}, "offset"), ({"offset": 9e8}, "cut-off"), ({"slope": float("nan")}, "scl_slope"), ({"intercept": float("inf")}, "scl_inter"),
    ({"pixdim": [1, float("nan"), 1, 1]}, "voxel size"), ({"pixdim": [1, 0, 1, 1]}, "--spacing"), ({"pixdim": [1, 1, 1, 0]}, "--slice-interval"),
])
def test_nifti_that_is_refused(tool, tmp_path, keywords, text):
    refused(tool, write_nifti(tmp_path / "v.nii", **keywords), text, arguments=[])


def test_nifti_more_that_is_refused(tool, tmp_path):
    path = tmp_path / "v.nii"
    for affine in ([[0, 0, 0, 0]] * 3, [[1, 1, 1, 0]] * 3, [[float("nan")] * 4] * 3):
        path.write_bytes(cli_files.nifti_bytes(VOLUME.transpose(2, 1, 0), affine, pixdim=[1, 1, 1, 1]))
        refused(tool, path, "sform", arguments=[])
    whole = cli_files.compressed(cli_files.nifti_bytes(VOLUME.transpose(2, 1, 0)))
    for length in (2, 100, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:length])
        refused(tool, path, "cut-off", arguments=[])
    voxels = VOLUME.transpose(2, 1, 0).astype(np.float32)
    voxels[50, 50, 2] = np.nan
    path.write_bytes(cli_files.nifti_bytes(voxels, kind="float32"))
    refused(tool, path, "slice 2", arguments=["--slices", "2"])


def test_orientation_by_hand(tool, tmp_path):
    bare, good = write_nifti(tmp_path / "bare.nii", form=None), write_nifti(tmp_path / "good.nii")
    (one,), (two,) = tool.images(*SCORE, "--slices", "2", "--orientation", "LPI", bare), tool.images(*SCORE, "--slices", "2", good)
    assert {**one, "path": ""} == {**two, "path": ""}
    tilted = [[-0.8, 0, 0, 0], [0, -0.7, 0.8, 0], [0, -0.3, -1.9, 0]]
    path = tmp_path / "tilted.nii"
    path.write_bytes(cli_files.nifti_bytes(VOLUME.transpose(2, 1, 0), tilted))
    assert "tilted by 23 degrees" in tool.detect("--slices", "2", path).stderr


def test_one_bad_image_does_not_stop_the_others(tool, series):
    bad = series / "bad.png"
    bad.write_bytes(b"bad")
    done = tool.detect(*PLACE, series / "002.png", bad, series / "003.png")
    assert done.returncode == 1 and f"uldor: {bad}: " in done.stderr
    assert "002.png" in done.stdout and "003.png" in done.stdout
