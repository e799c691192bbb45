"""uldor evaluate: detections of a split, their journal, and the FROC that comes of them."""

import json
import os
import pathlib
import resource
import signal
import subprocess
import time

import numpy as np
import pytest

import dataset_files as files
from cli_tool import ROOT
from coco_precision import coco_precision

WEIGHTS = ROOT / "Tests" / "fixtures" / "tiny_2class.safetensors"
WEIGHTS3 = ROOT / "Tests" / "fixtures" / "tiny_3class.safetensors"
SERIES = [f"{patient:06d}_01_01" for patient in range(1, 7)]
SIZE = (96, 128)
MASKS = ["--masks-out", "--mask-truth", "both"]
#: Left, top, right, bottom of the first series' window, 0-based; the others have whole images.
WINDOW = (8, 6, 120, 90)


def write_images(folder):
    random = np.random.default_rng(5)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    for number, series in enumerate(SERIES):
        for slice_ in (4, 5, 6):
            hu = random.normal(30, 25, SIZE)
            hu[(x - 40 - 6 * number) ** 2 + (y - 45) ** 2 < 130] += 140
            files.write_slice(folder, series, slice_, hu)
        for slice_ in (5, 6):
            files.write_mask(folder, series, slice_, (abs(x - 40) < 10) & (abs(y - 45) < 8))
    lines = [f"{series},1,1,{SIZE[1]},{SIZE[0]}" for series in SERIES[1:]]
    lines.append(f"{SERIES[0]},{WINDOW[0] + 1},{WINDOW[1] + 1},{WINDOW[2]},{WINDOW[3]}")
    (folder / "crops.csv").write_text("series,x1,y1,x2,y2\n" + "\n".join(lines) + "\n")


def around(left, top, right, bottom):
    """Diameters within a box of the table."""
    x, y, w, h = (left + right) / 2, (top + bottom) / 2, (right - left) / 3, (bottom - top) / 4
    return (x - w, y, x + w, y, x, y - h, x, y + h)


def options(folder):
    return ["--data", folder, "--windows", folder / "crops.csv", "--masks", folder / "Masks_png", "--negatives"]


def evaluate(tool, folder, out, *more, weights=WEIGHTS, **keywords):
    return tool("evaluate", "--weights", weights, *options(folder), "--output", out, *more, **keywords)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, request):
    """A data set whose lesions are where the tiny model finds something: every third image's best box, every third's fifth."""
    tool = request.getfixturevalue("tool")
    folder = tmp_path_factory.mktemp("data")
    write_images(folder)
    files.write_csv(folder, [files.row(series, 5, size=SIZE, split=3) for series in SERIES])
    out = folder / "first.json"
    done = evaluate(tool, folder, out)
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    rows = []
    for number, series in enumerate(SERIES):
        boxes = [d["bbox"] for d in found if d["file_name"] == f"{series}_005.png"]
        assert len(boxes) > 5
        for place in (0, 5)[: 1 + number % 2] if number % 3 else ():
            x, y, w, h = boxes[place]
            box = (x + 1, y + 1, x + w, y + h)
            rows.append(files.row(series, 5, size=SIZE, split=3, box=box, recist=around(*box), type_=1 + number))
        if number % 3 == 0:
            rows.append(files.row(series, 5, size=SIZE, split=3, type_=1 + number))
        # A given mask for the last lesion alone, most of its box.
        left, top, right, bottom = rows[-1]["Bounding_boxes"].split(", ")
        y, x = np.mgrid[: SIZE[0], : SIZE[1]]
        inside = (x > float(left)) & (x < float(right) - 2) & (y > float(top)) & (y < float(bottom) - 1)
        files.write_mask(folder, series, 5, inside)
    files.write_csv(folder, rows)
    for name in ("first.json", "first.json.journal"):
        (folder / name).unlink()
    return folder


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory, request):
    """What a run that nothing interrupted writes."""
    tool = request.getfixturevalue("tool")
    out = tmp_path_factory.mktemp("whole") / "results.json"
    done = evaluate(tool, folder, out, *MASKS, "--json", out.with_name("froc.json"))
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return out


def rle_mask(segmentation):
    height, width = segmentation["size"]
    flat = np.zeros(height * width, bool)
    place = 0
    for number, count in enumerate(segmentation["counts"]):
        flat[place : place + count] = number % 2
        place += count
    assert place == flat.size
    return flat.reshape(width, height).T


@pytest.mark.parametrize("weights", [WEIGHTS, WEIGHTS3])
def test_detections_are_those_of_a_session(tool, folder, tmp_path, weights):
    import uldor

    out = tmp_path / "results.json"
    done = evaluate(tool, folder, out, "--masks-out", weights=weights)
    assert done.returncode == 0, done.stderr
    results = json.loads(out.read_text())
    data = uldor.Dataset(folder, windows=folder / "crops.csv", masks_directory=folder / "Masks_png", negatives="unmasked")
    model = uldor.Model(weights)
    session = model.session(score_threshold=0.01, keep_false_positives=True)
    assert len(data) == 2 * len(SERIES)
    place = 0
    for index in range(len(data)):
        about = data.image(index)
        left, top = about.window
        read = data.read_image(index, model.slice_reach(about.slice_interval))
        for found in session.detect(read.image, **read.arguments):
            entry = results[place]
            place += 1
            assert entry["file_name"] == about.name.replace("/", "_") + ".png"
            x, y, w, h = entry["bbox"]
            np.testing.assert_allclose([x, y, x + w, y + h], np.array(found.box) + [left, top, left, top], rtol=0, atol=2e-6)
            assert np.float32(entry["score"]) == np.float32(found.score) and entry["category_id"] == found.label
            if found.label == 2:
                assert np.float32(entry["lesion_score"]) == np.float32(found.lesion_probability)
            else:
                assert "lesion_score" not in entry
            assert (entry.get("window_left", 0), entry.get("window_top", 0)) == (left, top)
            np.testing.assert_array_equal(rle_mask(entry["segmentation"]), found.mask)
    assert place == len(results) > 40
    assert {entry["category_id"] for entry in results} == ({1, 2} if weights == WEIGHTS3 else {1})


def test_froc_is_that_of_the_detections(tool, folder, whole, tmp_path):
    """`uldor froc` says the same about the file, text and JSON, in both conventions."""
    for number, convention in enumerate(("paper", "deeplesion")):
        more = ["--convention", convention, "--bootstrap", 50, "--levels", "0.5,3"]
        ours = evaluate(tool, folder, whole, *more, *MASKS, "--json", tmp_path / "ours.json")
        assert "going on from" in ours.stderr
        froc = tool("froc", *options(folder), "--detections", whole, *more)
        assert froc.returncode == 0 and ours.stdout.startswith(froc.stdout + "\nmasks, pseudo:"), froc.stderr
        theirs = tool("froc", *options(folder), "--detections", whole, *more, "--json", "-")
        document = json.loads((tmp_path / "ours.json").read_text())
        assert document["froc"] == [json.loads(theirs.stdout)]
        everything = document["froc"][0]
        assert everything["images"] == 12 and everything["patients"] == 6 and everything["hits"] >= 4
    assert "12 images of 6 patients" in ours.stdout
    both = json.loads(whole.with_name("froc.json").read_text())
    assert [one["convention"] for one in both["froc"]] == ["paper", "deeplesion"] and both["split"] == "test"


def test_detections_are_cocos(folder, whole):
    """pycocotools reads them as they are, image_id the place in the table, and has the same average precision."""
    pytest.importorskip("pycocotools")
    import uldor

    data = uldor.Dataset(folder, windows=folder / "crops.csv", masks_directory=folder / "Masks_png", negatives="unmasked")
    truth = {}
    for index in range(data.info.images):
        left, top = data.image(index).window
        boxes = [lesion.box for lesion in data.lesions(index)]
        truth[index] = [[x1 + left, y1 + top, x2 - x1, y2 - y1] for x1, y1, x2, y2 in boxes]
    assert all(data.find(entry["file_name"]) == entry["image_id"] for entry in json.loads(whole.read_text()))
    froc = json.loads(whole.with_name("froc.json").read_text())["froc"][0]
    assert coco_precision(truth, str(whole)) == pytest.approx((froc["average_precision_50_95"], froc["average_precision"]), abs=1e-12)


def test_box_without_an_image(tool, folder, tmp_path):
    """Searched for on the training split, measured on the images that were looked at: as `uldor froc` has it."""
    import csv
    import shutil

    copy = tmp_path / "data"
    shutil.copytree(folder, copy)
    rows = list(csv.DictReader((folder / "DL_info.csv").open(newline="")))
    for row in rows:
        row["Train_Val_Test"] = 1 if row["File_name"][:12] in SERIES[4:] else 3
    files.write_csv(copy, rows)
    out = tmp_path / "r.json"
    done = evaluate(tool, copy, out, "--json", tmp_path / "ours.json", "--bootstrap", 20, "--plot", tmp_path / "a.svg")
    assert done.returncode == 0 and done.stdout.count("no image: one box") == 2, done.stderr
    ours = json.loads((tmp_path / "ours.json").read_text())["froc"]
    for number, convention in enumerate(("paper", "deeplesion")):
        theirs = tool("froc", *options(copy), "-d", out, "-c", convention, "-b", 20, "--json", "-", "--plot", tmp_path / "b.svg")
        assert json.loads(theirs.stdout) == ours[number]
        if convention == "paper":
            assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    box, images = ours[0]["image_free_box"], ours[0]["images"]
    assert box["train_hits"] > 0 and box["false_positives_per_image"] >= 0.5 and images == 8, box
    # An image that is left out does not count against the box either.
    path = copy / "Images_png" / SERIES[0] / "005.png"
    path.write_bytes(path.read_bytes()[:-200])
    done = evaluate(tool, copy, tmp_path / "s.json", "--json", tmp_path / "fewer.json", "--on-bad", "skip", "-c", "paper")
    fewer = json.loads((tmp_path / "fewer.json").read_text())["froc"][0]
    assert fewer["images"] == 6 and fewer["image_free_box"]["margins"] == box["margins"]
    wrong = fewer["image_free_box"]["false_positives_per_image"] * 6
    hits = fewer["subsets"][0]["image_free"]["hits"]
    assert round(wrong, 9) == 6 - hits
    # Nothing to search on is said before anything is looked at.
    done = evaluate(tool, folder, tmp_path / "t.json", "--image-free-box")
    assert done.returncode == 1 and "no lesion to search on" in done.stderr and not (tmp_path / "t.json.journal").exists()


def iou(a, b):
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(wide, 0) * max(high, 0)
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


def test_masks_of_hits(folder, whole):
    """Mean IoU and Dice, by numpy from the run lengths."""
    import uldor

    results = json.loads(whole.read_text())
    told = {entry["truth"]: entry for entry in json.loads(whole.with_name("froc.json").read_text())["masks"]}
    for name in ("pseudo", "given"):
        data = uldor.Dataset(folder, windows=folder / "crops.csv", masks_directory=folder / "Masks_png", negatives="unmasked",
                             masks=name)
        ious, dices, hits = [], [], 0
        for index in range(len(data)):
            about = data.image(index)
            left, top = about.window
            free = list(range(about.lesions))
            for entry in results:
                if entry["file_name"] != about.name.replace("/", "_") + ".png":
                    continue
                x, y, w, h = entry["bbox"]
                box = (x - left, y - top, x + w - left, y + h - top)
                over = [(iou(box, data.lesions(index)[k].box), -k) for k in free]
                if not over or max(over)[0] <= 0.5:
                    continue
                lesion = -max(over)[1]
                free.remove(lesion)
                hits += 1
                truth = np.asarray(data.mask(index, lesion)) if data.lesions(index)[lesion].has_mask else None
                if truth is None or not truth.any():
                    continue
                mask = rle_mask(entry["segmentation"])
                common = (mask & (truth != 0)).sum()
                ious.append(common / (mask | (truth != 0)).sum())
                dices.append(2 * common / (mask.sum() + (truth != 0).sum()))
        assert told[name]["hits"] == hits > 3 and told[name]["masks"] == len(ious) > 1
        assert (len(ious) == hits) == (name == "pseudo")
        assert told[name]["mean_iou"] == pytest.approx(np.mean(ious), abs=1e-12)
        assert told[name]["mean_dice"] == pytest.approx(np.mean(dices), abs=1e-12)


def test_resumes_from_any_byte(tool, folder, whole, tmp_path):
    """However much of the journal there is, the results are the same; half a line is dropped."""
    full = pathlib.Path(str(whole) + ".journal").read_bytes()
    cuts = np.random.default_rng(1).integers(0, len(full), 6).tolist()
    newlines = [place + 1 for place, byte in enumerate(full) if byte == 10]
    for cut in [0, 1, 30, newlines[0] - 1, newlines[0], newlines[3], newlines[3] - 1, len(full) - 1, *cuts]:
        out = tmp_path / "results.json"
        journal = tmp_path / "results.json.journal"
        journal.write_bytes(full[:cut])
        done = evaluate(tool, folder, out, *MASKS)
        assert done.returncode == 0, done.stderr
        assert out.read_bytes() == whole.read_bytes() and journal.read_bytes() == full
        out.unlink()


def test_resumes_after_a_power_cut(tool, folder, whole, tmp_path):
    """A file may have its new size and zeros for what did not get to the disk, also before lines that did: all of that is dropped."""
    full = pathlib.Path(str(whole) + ".journal").read_bytes()
    newlines = [place + 1 for place, byte in enumerate(full) if byte == 10]
    journal = tmp_path / "results.json.journal"
    whole_lines, torn = full[: newlines[3]], full[: newlines[3] + 50]
    for content in (whole_lines + bytes(300), torn + bytes(5000), torn + bytes(newlines[4] - len(torn) - 1) + full[newlines[4] - 1 :]):
        journal.write_bytes(content)
        done = evaluate(tool, folder, tmp_path / "results.json", *MASKS)
        assert done.returncode == 0 and "images done: 3" in done.stderr, done.stderr
        assert (tmp_path / "results.json").read_bytes() == whole.read_bytes() and journal.read_bytes() == full


@pytest.mark.parametrize("options", [[], ["--restart"]])
def test_begins_anew_after_a_power_cut_in_the_first_line(tool, folder, whole, tmp_path, options):
    """Zeros that stand for nothing are no loss; zeros before something are another's file."""
    full = pathlib.Path(str(whole) + ".journal").read_bytes()
    journal = tmp_path / "results.json.journal"
    for content in (bytes(1), bytes(20_000), full[:30] + bytes(100), full[:45] + bytes(9000)):
        journal.write_bytes(content)
        done = evaluate(tool, folder, tmp_path / "results.json", *MASKS, *options)
        assert done.returncode == 0 and "images done" not in done.stderr, done.stderr
        assert (tmp_path / "results.json").read_bytes() == whole.read_bytes() and journal.read_bytes() == full
    for content in (bytes(9000) + b"x", bytes(10) + full, full[:30] + bytes(9000) + b"x", b"x" + bytes(100)):
        journal.write_bytes(content)
        done = evaluate(tool, folder, tmp_path / "results.json", *MASKS, *options)
        assert done.returncode != 0 and "not a journal of uldor evaluate" in done.stderr, done.stderr
        assert journal.read_bytes() == content


@pytest.fixture(scope="module")
def sync_log(tmp_path_factory, request):
    """Runs the tool with sync_log.c; gives what was flushed: path, size, whether there were results."""
    tool = request.getfixturevalue("tool")
    library = tmp_path_factory.mktemp("sync") / "sync_log.so"
    source = pathlib.Path(__file__).with_name("sync_log.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", source, "-o", library, "-ldl"], check=True)
    if "sanitize" in str(tool.binary):
        pytest.skip("a sanitizer wants to be the first library")

    def run(folder, out, *more, code=0, **settings):
        log = library.with_suffix(".txt")
        log.unlink(missing_ok=True)
        environment = {**os.environ, "LD_PRELOAD": library, "SYNC_LOG": log, "SYNC_RESULTS": out, **settings}
        done = evaluate(tool, folder, out, *more, env={name: str(value) for name, value in environment.items()})
        assert done.returncode == code, done.stderr
        lines = [line.rsplit(" ", 2) for line in log.read_text().splitlines()]
        return [(path, int(size), there == "1") for path, size, there in lines], done
    return run


def test_journal_goes_to_the_disk(folder, sync_log, tmp_path):
    out = tmp_path / "results.json"
    journal = tmp_path / "results.json.journal"
    flushed, _ = sync_log(folder, out)
    first, last = journal.read_bytes().index(b"\n") + 1, journal.stat().st_size
    # The first line, then that there is such a file.
    assert flushed[:2] == [(str(journal), first, False), (str(tmp_path), flushed[1][1], False)]
    # All of it, before anything is made of it.
    assert (str(journal), last, False) in flushed
    of_journal = [entry for entry in flushed if entry[0] == str(journal)]
    # Few of the images took a second; none is worth a flush of its own.
    assert len(of_journal) < 12
    # Where each takes one, each is flushed at once; the directory is not again.
    flushed, _ = sync_log(folder, out, "--restart", SYNC_HASTE=100_000)
    sizes = [size for path, size, _ in flushed if path == str(journal)]
    content = journal.read_bytes()
    assert {place + 1 for place, byte in enumerate(content) if byte == 10} <= set(sizes) and content.count(b"\n") == 13
    # Nothing to do: nothing is lost either.
    flushed, done = sync_log(folder, out)
    assert (str(journal), last, True) in flushed and "images done: 12" in done.stderr


def test_journal_that_does_not_go_to_the_disk(folder, sync_log, tmp_path):
    """EIO ends the run, named; a file system without such a thing (EINVAL) is as good as without."""
    out = tmp_path / "results.json"
    _, done = sync_log(folder, out, code=1, SYNC_FAILS=5)
    assert "results.json.journal: Input/output error" in done.stderr and not out.exists()
    assert sync_log(folder, tmp_path / "r.json", "--quiet", code=1, SYNC_FAILS=22)[1].stderr.count("r.json.journal") == 0


def test_killed_at_any_moment(tool, folder, whole, tmp_path):
    out = tmp_path / "results.json"
    journal = tmp_path / "results.json.journal"
    command = [tool.binary, "evaluate", "--weights", WEIGHTS, *options(folder), "--output", out, *MASKS]
    killed, seen = 0, []
    for attempt in range(12):
        process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < until:
            lines = journal.read_bytes().count(b"\n") if journal.exists() else 0
            if lines > attempt:
                process.send_signal(signal.SIGKILL)
                break
        killed += process.wait() == -signal.SIGKILL
        seen.append(journal.read_bytes().count(b"\n"))
        assert not out.exists() or out.read_bytes() == whole.read_bytes()
    assert killed > 3 and seen == sorted(seen)
    done = tool(*command[1:])
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == whole.read_bytes()
    # Nothing else is left but what the process was writing when it was killed, under its temporary name.
    assert all(path in (out, journal) or path.match("results.json.??????") for path in tmp_path.iterdir())


def test_interrupted(tool, folder, whole, tmp_path):
    """Ctrl-C: exit code 130, no results, and the same command goes on."""
    out = tmp_path / "results.json"
    journal = tmp_path / "results.json.journal"
    command = [tool.binary, "evaluate", "--weights", WEIGHTS, *options(folder), "--output", out, *MASKS]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") > 1):
        pass
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    if process.returncode != 0:
        assert process.returncode == 130 and "interrupted" in errors and not out.exists()
    assert tool(*command[1:]).returncode == 0
    assert out.read_bytes() == whole.read_bytes()


def test_any_number_of_threads(tool, folder, whole, tmp_path):
    done = evaluate(tool, folder, tmp_path / "r.json", *MASKS, "--threads", 1)
    assert done.returncode == 0 and (tmp_path / "r.json").read_bytes() == whole.read_bytes()


def test_journal_of_another_run_is_refused(tool, folder, tmp_path):
    out = tmp_path / "results.json"
    journal = tmp_path / "results.json.journal"
    assert evaluate(tool, folder, out).returncode == 0
    before, results = journal.read_bytes(), out.read_bytes()
    for weights, more, text in [
        (WEIGHTS3, [], 'weights: "'),
        (WEIGHTS, ["--min-score", "0.2"], "min_score: 0.01 there, 0.2 here"),
        (WEIGHTS, ["--score-threshold", "0.2", "--detections", "3"], "max_detections"),
        (WEIGHTS, ["--exact"], "exact: false there, true here"),
        (WEIGHTS, ["--split", "all"], 'split: "test" there, "all" here'),
        (WEIGHTS, ["--mask-truth", "given"], "mask_truth"),
    ]:
        done = evaluate(tool, folder, out, *more, weights=weights)
        assert done.returncode == 1 and text in done.stderr and "--restart begins anew" in done.stderr, done.stderr
        assert journal.read_bytes() == before and out.read_bytes() == results
    done = evaluate(tool, folder, out, "--min-score", "0.2", "--restart")
    assert done.returncode == 0 and journal.read_bytes() != before, done.stderr
    # Changed data, at the same place.
    table = folder / "DL_info.csv"
    old = table.read_text()
    try:
        table.write_text(old.replace(",F,", ",M,", 1))
        done = evaluate(tool, folder, out, "--min-score", "0.2")
        assert done.returncode == 1 and "csv_content" in done.stderr
    finally:
        table.write_text(old)


def test_what_is_no_journal_is_not_overwritten(tool, folder, tmp_path):
    out = tmp_path / "results.json"
    journal = tmp_path / "results.json.journal"
    for content in ("my notes\n", "{}\n", "x"):
        journal.write_text(content)
        for more in ([], ["--restart"]):
            done = evaluate(tool, folder, out, *more)
            assert done.returncode == 1 and "not a journal" in done.stderr and journal.read_text() == content
    journal.unlink()
    assert evaluate(tool, folder, out).returncode == 0
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join([lines[0], "{half\n", *lines[2:]]))
    done = evaluate(tool, folder, out)
    assert done.returncode == 1 and f"{journal}: line 2 is damaged" in done.stderr
    entry = json.loads(lines[1])
    entry["detections"][0]["score"] = 7
    journal.write_text("".join([lines[0], json.dumps(entry) + "\n", *lines[2:]]))
    done = evaluate(tool, folder, out)
    assert done.returncode == 1 and "score is 7" in done.stderr and str(journal) in done.stderr


@pytest.fixture
def damaged(folder, tmp_path):
    """The data set with one key slice cut short."""
    import shutil

    copy = tmp_path / "damaged"
    shutil.copytree(folder, copy)
    path = copy / "Images_png" / SERIES[2] / "005.png"
    path.write_bytes(path.read_bytes()[:-200])
    return copy


def test_image_that_cannot_be_read(tool, damaged, tmp_path):
    out = tmp_path / "results.json"
    journal = tmp_path / "results.json.journal"
    done = evaluate(tool, damaged, out)
    assert done.returncode == 1 and f"{SERIES[2]}/005.png" in done.stderr and done.stdout == "" and not out.exists()
    assert journal.read_bytes().count(b"\n") == 3
    done = evaluate(tool, damaged, out, "--on-bad", "skip")
    assert done.returncode == 0, done.stderr
    assert f"{SERIES[2]}/005.png" in done.stderr and "images left out: 2" in done.stderr
    # The slice before it has it for a neighbour.
    assert "10 images of 5 patients" in done.stdout
    assert f"{SERIES[2]}_00" not in out.read_text() and f"{SERIES[3]}_00" in out.read_text()
    # Mended: what was left out is looked at, and only that.
    whole = tmp_path / "whole.json"
    path = damaged / "Images_png" / SERIES[2] / "005.png"
    path.write_bytes((damaged / "Images_png" / SERIES[2] / "004.png").read_bytes())
    done = evaluate(tool, damaged, out)
    assert done.returncode == 0 and "images done: 10" in done.stderr and "12 images of 6 patients" in done.stdout
    assert evaluate(tool, damaged, whole).returncode == 0
    assert whole.read_bytes() == out.read_bytes()


def test_data_that_cannot_be_used(tool, damaged, tmp_path):
    (damaged / "Images_png" / SERIES[2] / "005.png").unlink()
    done = evaluate(tool, damaged, tmp_path / "r.json")
    assert done.returncode == 1 and f"{SERIES[2]}/005.png" in done.stderr
    done = evaluate(tool, damaged, tmp_path / "r.json", "--on-bad", "skip")
    assert done.returncode == 0 and "11 images" in done.stdout
    table = damaged / "DL_info.csv"
    lines = table.read_text().splitlines()
    lines[2] = lines[2].replace("0.8, 0.8, 2", "0.8, 0.8, far")
    table.write_text("\n".join(lines) + "\n")
    done = evaluate(tool, damaged, tmp_path / "other.json")
    assert done.returncode == 1 and f"{table}:3:" in done.stderr
    done = evaluate(tool, damaged, tmp_path / "other.json", "--split", "train")
    assert done.returncode == 1


def test_empty_split(tool, folder, tmp_path):
    done = evaluate(tool, folder, tmp_path / "r.json", "--split", "train")
    assert done.returncode == 1 and "no image of this split" in done.stderr and not list(tmp_path.iterdir())


def test_outputs_that_cannot_be_written(tool, folder, whole, tmp_path):
    out = tmp_path / "results.json"

    def little():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    done = evaluate(tool, folder, out, preexec_fn=little)
    assert done.returncode == 1 and "results.json.journal: File too large" in done.stderr and not out.exists()
    assert evaluate(tool, folder, out, "--json", "/dev/full").returncode == 1
    done = evaluate(tool, folder, tmp_path / "none" / "r.json")
    assert done.returncode == 1 and "No such file" in done.stderr
    for name in ("--output", "--json", "--journal"):
        before = (folder / "DL_info.csv").read_bytes()
        done = evaluate(tool, folder, out, name, folder / "DL_info.csv")
        assert done.returncode == 1 and "it is not overwritten" in done.stderr and (folder / "DL_info.csv").read_bytes() == before
    done = evaluate(tool, folder, out, "--json", out)
    assert done.returncode == 1 and "two outputs" in done.stderr


def test_outputs(tool, folder, tmp_path):
    out = tmp_path / "r.json"
    done = evaluate(tool, folder, out, "--plot", tmp_path / "froc.svg", "--journal", tmp_path / "j", "--bootstrap", 20)
    assert done.returncode == 0 and (tmp_path / "froc.svg").read_text().startswith("<?xml")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["froc.svg", "j", "r.json"]
    assert "convention paper" in done.stdout and "convention deeplesion" in done.stdout
    assert all("segmentation" not in entry for entry in json.loads(out.read_text()))
    done = evaluate(tool, folder, out, "--journal", tmp_path / "j", "--quiet")
    assert done.returncode == 0 and done.stdout == "" and done.stderr == ""
    done = evaluate(tool, folder, out, "--journal", tmp_path / "j", "--json", "-")
    assert json.loads(done.stdout)["images_left_out"] == 0


def test_real_data(tool, data, tmp_path):
    """The sarcomas' test patients, in their windows: `uldor froc` agrees, and every lesion of the split counts."""
    import uldor

    sts = data / "sts"
    if not sts.is_dir():
        pytest.skip("no sarcoma data beside the project")
    where = ["--data", sts, "--windows", sts / "crops.csv", "--masks", sts / "Masks_png", "--negatives"]
    out = tmp_path / "results.json"
    done = tool("evaluate", "-w", ROOT / "share" / "uldor-demo.safetensors", *where, "-o", out, "-c", "paper")
    assert done.returncode == 0, done.stderr
    assert tool("froc", *where, "-d", out).stdout == done.stdout
    info = uldor.Dataset(sts, windows=sts / "crops.csv", masks_directory=sts / "Masks_png", negatives="unmasked").info
    images, lesions = info.images_of_split["test"], info.lesions_of_split["test"]
    assert done.stdout.startswith(f"{images} images of ") and f" {lesions} lesions; " in done.stdout


@pytest.mark.parametrize("arguments, text", [
    ([], "--weights is missing"),
    (["-w", "W"], "--data is missing"),
    (["-w", "W", "--data", "D", "--mask-truth", "given"], "--mask-truth given needs --masks"),
    (["-w", "W", "--data", "D", "x"], "arguments are options only"),
    (["-w", "W", "--convention", "other"], "--convention: 'other'"),
    (["-w", "W", "--min-score", "2"], "--min-score: '2'"),
    (["-w", "W", "--plot", "a.pdf"], "--plot: 'a.pdf'"),
    (["-w", "W", "--output", "-"], "--output: '-'"),
    (["-w", "W", "--on-bad", "hide"], "--on-bad: 'hide'"),
    (["--wrong"], "unknown option --wrong"),
])
def test_usage(tool, arguments, text):
    done = tool("evaluate", *arguments)
    assert done.returncode == 2 and text in done.stderr and "uldor evaluate --help" in done.stderr
    assert tool("evaluate", "--help").returncode == 0
