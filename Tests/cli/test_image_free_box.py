"""The best box without an image beside every figure: against tools/image_free_box.py and the FROC's definition in numpy."""

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest

import dataset_files as files
import froc_reference as reference
from cli_tool import ROOT

SIZE = (512, 512)
LEVELS = (0.25, 0.5, 1, 2)


@pytest.fixture(scope="module")
def script():
    specification = importlib.util.spec_from_file_location("image_free_box", ROOT / "tools" / "image_free_box.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def rectangle(random, left, top, right, bottom):
    """The lesion and its row's diameters; about where the others are, of all sizes."""
    wide, high = right - left, bottom - top
    x1, x2 = left + wide * random.uniform(0.15, 0.45), right - wide * random.uniform(0.1, 0.4)
    y1, y2 = top + high * random.uniform(0.1, 0.45), bottom - high * random.uniform(0.05, 0.45)
    box = [round(v) for v in (x1, y1, x2, y2)]
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    recist = (box[0] + 2, y, box[2] - 2, y, x, box[1] + 2, x, box[3] - 2)
    return box, recist


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """60 patients in their windows, one or two images each; some with a second lesion over the first, types and all splits."""
    random = np.random.default_rng(8)
    folder = tmp_path_factory.mktemp("windowed")
    rows, windows = [], []
    for patient in range(1, 61):
        series, split = f"{patient:06d}_01_01", 1 if patient <= 40 else 2 + patient % 2
        left, top = random.integers(1, 200, 2)
        right, bottom = left + random.integers(120, 170), top + random.integers(110, 180)
        windows.append(f"{series},{left},{top},{right},{bottom}")
        for slice_ in range(1, 2 + patient % 2):
            box, recist = rectangle(random, left, top, right, bottom)
            rows.append(files.row(series, slice_, size=SIZE, split=split, box=box, recist=recist, type_=1 + patient % 3))
            if patient % 5 == 0:
                shifted = [box[0] + 3, box[1] + 2, box[2] + 3, box[3] + 2]
                rows.append(files.row(series, slice_, size=SIZE, split=split, box=shifted, recist=recist, type_=8))
    files.write_csv(folder, rows)
    (folder / "crops.csv").write_text("series,x1,y1,x2,y2\n" + "\n".join(windows) + "\n")
    (folder / "none.json").write_text("[]")
    return folder


def froc(tool, folder, *more, windows=True):
    where = ["--data", folder, *(["--windows", folder / "crops.csv"] if windows else [])]
    levels = ",".join(map(str, LEVELS))
    return tool("froc", *where, "--detections", folder / "none.json", "--levels", levels, *more)


def images_of(folder, split, margins):
    """The split as the reference has it, each image with that one box."""
    import uldor

    data = uldor.Dataset(folder, windows=folder / "crops.csv")
    images = []
    for index, image in data.images(split):
        high, wide = image.size
        box = [margins[0], margins[1], wide - margins[2], high - margins[3]]
        images.append({"patient": image.patient, "lesions": np.array([lesion.box for lesion in data.lesions(index)], float),
                       "types": [lesion.type for lesion in data.lesions(index)], "boxes": np.array([box], float),
                       "scores": np.array([1.0])})
    return images


@pytest.mark.parametrize("convention", ["paper", "deeplesion"])
@pytest.mark.parametrize("iou", [0.5, 0.4])
def test_equal_to_numpy(tool, folder, script, convention, iou):
    import uldor

    done = froc(tool, folder, "--json", "-", "--bootstrap", 60, "--seed", 3, "--convention", convention, "--iou", iou)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    box = document["image_free_box"]
    data = uldor.Dataset(folder, windows=folder / "crops.csv")
    places = [(image.size[::-1], lesion.box) for index, image in data.images("train") for lesion in data.lesions(index)]
    sizes, boxes = (np.array(column, float) for column in zip(*places))
    assert box["train_lesions"] == len(sizes) and len(set(map(tuple, sizes))) > 30
    assert box["train_hits"] == (script.overlaps(np.array(box["margins"]), sizes, boxes) > iou).sum()
    if iou == 0.5:
        margins, hits = script.search(sizes, boxes)
        assert box["margins"] == margins.tolist() and box["train_hits"] == hits > 10
        assert len(set(box["margins"])) > 2
    images = images_of(folder, "test", box["margins"])
    steps, _ = reference.walk(images, convention, threshold=iou)
    level = sum(step[2] for step in steps) / len(images)
    assert box["false_positives_per_image"] == pytest.approx(level, abs=1e-12) and 0.25 < level < 1
    for subset in document["subsets"]:
        if "mm" in subset["name"]:
            continue
        kind = None if subset["name"] == "all" else int(subset["name"].split()[1])

        def chosen(number, lesion):
            return kind is None or images[number]["types"][lesion] == kind
        expected = reference.sensitivity(images, convention, (), chosen, threshold=iou)[1]
        assert subset["image_free"]["sensitivity"] == pytest.approx(expected, abs=1e-12)
        for at in subset["levels"]:
            assert at["image_free"] == (subset["image_free"]["sensitivity"] if at["level"] >= level else None)
    # The interval: the definition's bootstrap over the patients.
    patients = sorted({image["patient"] for image in images})
    samples = []
    for sample in range(60):
        drawn = [image for patient in reference.draw(3, sample, patients) for image in images if image["patient"] == patient]
        samples.append(reference.sensitivity(drawn, convention, (), threshold=iou)[1])
    found = document["subsets"][0]["image_free"]
    np.testing.assert_allclose([found["low"], found["high"]], np.percentile(samples, [2.5, 97.5]), rtol=0, atol=1e-12)


def test_equal_to_the_script(tool, folder, tmp_path):
    """What tools/image_free_box.py prints, on images of one lesion: it counts lesions, a detection of the paper hits one."""
    rows = [line for line in (folder / "DL_info.csv").read_text().splitlines() if ",8,0," not in line]
    (tmp_path / "DL_info.csv").write_text("\n".join(rows) + "\n")
    for name in ("crops.csv", "none.json"):
        (tmp_path / name).write_text((folder / name).read_text())
    command = [sys.executable, ROOT / "tools" / "image_free_box.py", tmp_path, "--windows", tmp_path / "crops.csv"]
    source = str(ROOT / "examples" / "python" / "src")
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONPATH": source}).stdout
    for split in ("train", "validation", "test"):
        done = froc(tool, tmp_path, "--split", split, "--json", "-")
        document = json.loads(done.stdout)
        everything, margins = document["subsets"][0], document["image_free_box"]["margins"]
        line = next(line for line in printed.splitlines() if line.startswith(split))
        assert line.startswith(f"{split}: {everything['lesions']} lesions, {100 * everything['image_free']['sensitivity']:.1f} %")
        assert f"margins {', '.join(f'{m:.0f}' for m in margins)} px" in line


def test_small_lesions_of_whole_images(tool, tmp_path, script):
    """No equal margins hit any: it begins at the lesions' median place."""
    import uldor

    random = np.random.default_rng(3)
    rows = []
    for patient in range(1, 30):
        x, y = random.integers(80, 120), random.integers(380, 420)
        box = (x, y, x + random.integers(20, 50), y + random.integers(30, 45))
        recist = (box[0] + 5, y + 9, box[2] - 5, y + 9, x + 9, box[1] + 5, x + 9, box[3] - 5)
        rows.append(files.row(f"{patient:06d}_01_01", 1, size=SIZE, split=1 + 2 * (patient > 20), box=box, recist=recist))
    files.write_csv(tmp_path, rows)
    (tmp_path / "none.json").write_text("[]")
    box = json.loads(froc(tool, tmp_path, "--image-free-box", "--json", "-", windows=False).stdout)["image_free_box"]
    data = uldor.Dataset(tmp_path)
    boxes = np.array([lesion.box for index, _ in data.images("train") for lesion in data.lesions(index)])
    margins, hits = script.search(np.full((len(boxes), 2), 512.0), boxes)
    assert box["margins"] == margins.tolist() and box["train_hits"] == hits > 5 and box["train_lesions"] == 20


def test_when_it_stands_there(tool, folder):
    windowed = froc(tool, folder)
    assert windowed.returncode == 0 and windowed.stdout.count("no image") == 2 and windowed.stderr == ""
    header = next(line for line in windowed.stdout.splitlines() if "lesions  " in line and "max" in line)
    everything = next(line for line in windowed.stdout.splitlines() if line.startswith("all "))
    assert len(header) == len(everything) and header.endswith("no image")
    document = json.loads(froc(tool, folder, "--json", "-").stdout)
    assert float(everything.split()[-1]) == round(100 * document["subsets"][0]["image_free"]["sensitivity"], 2) > 0
    margins = document["image_free_box"]["margins"]
    assert f"{', '.join(f'{m:g}' for m in margins)} px from their left, top, right, bottom" in windowed.stdout
    wide = froc(tool, folder, "--bootstrap", 20).stdout.splitlines()
    assert len({len(line) for line in wide if line.startswith(("all ", "type ")) or line.endswith("no image")}) == 1
    for done in (froc(tool, folder, "--no-image-free-box"), froc(tool, folder, windows=False)):
        assert done.returncode == 0 and "no image" not in done.stdout
    document = json.loads(froc(tool, folder, "--no-image-free-box", "--json", "-").stdout)
    assert document["image_free_box"] is None
    assert all(subset["image_free"] is None and subset["levels"][-1]["image_free"] is None for subset in document["subsets"])
    assert "no image" in froc(tool, folder, "--image-free-box", windows=False).stdout


def test_nothing_to_search_on(tool, folder, tmp_path):
    """A data set without a training split has no such box, and says so."""
    lines = (folder / "DL_info.csv").read_text().splitlines()
    (tmp_path / "DL_info.csv").write_text("\n".join(line for line in lines if not line.endswith(",1")) + "\n")
    for name in ("crops.csv", "none.json"):
        (tmp_path / name).write_text((folder / name).read_text())
    done = froc(tool, tmp_path)
    assert done.returncode == 0 and "no image: there is no box" in done.stdout
    assert json.loads(froc(tool, tmp_path, "--json", "-").stdout)["image_free_box"] is None
    done = froc(tool, tmp_path, "--image-free-box")
    assert done.returncode == 1 and done.stdout == "" and "--image-free-box: the training split has no lesion" in done.stderr


def test_plot(tool, folder, tmp_path):
    """A level dashed line at its sensitivity, from its false positives an image on."""
    for name, more in (("with.svg", ()), ("without.svg", ("--no-image-free-box",))):
        done = froc(tool, folder, "--quiet", "--plot", tmp_path / name, *more)
        assert done.returncode == 0 and done.stdout == "", done.stderr
    dashed = [line for line in (tmp_path / "with.svg").read_text().splitlines() if "stroke-dasharray" in line]
    assert len(dashed) == 1 and "stroke-dasharray" not in (tmp_path / "without.svg").read_text()
