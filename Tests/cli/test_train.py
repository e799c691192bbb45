"""`uldor train`: a data set becomes weights; interrupted, with bad data, with files that cannot be written."""

import random
import re
import shutil
import signal
import subprocess
import time
import xml.etree.ElementTree as xml

import pytest

import training_data
from safetensors_bytes import tensors

SHORT = ["--arch", training_data.SMALL, "--epochs", "2", "--lr", "0.005", "--proposals", "100", "--calibration-images", "4"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return training_data.write(tmp_path_factory.mktemp("data"))


def rows(folder):
    return (folder / "DL_info.csv").read_text().splitlines()


def train(tool, folder, out, *more, **keywords):
    return tool("train", "--data", folder, "--out", out, *SHORT, *more, **keywords)


@pytest.fixture(scope="module")
def whole(tool, folder, tmp_path_factory):
    """Weights, checkpoint and log of a run that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole") / "w.safetensors"
    done = train(tool, folder, out)
    assert done.returncode == 0, done.stderr
    return out


def test_trains(tool, folder, tmp_path):
    out = tmp_path / "w.safetensors"
    done = train(tool, folder, out, "--plot", tmp_path / "curves.svg")
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert len(re.findall(r"^epoch [12]/2  loss \d+\.\d{4} .* validation \d+\.\d{4}.* lr 0.005  ", done.stdout, re.M)) == 2
    assert f"are in {out}" in done.stdout
    assert sorted(file.name for file in tmp_path.iterdir()) == ["curves.svg", "w.safetensors", "w.safetensors.checkpoint",
                                                                "w.safetensors.csv"]
    assert xml.parse(tmp_path / "curves.svg").getroot().tag.endswith("svg")
    shown = tool("info", out)
    assert shown.returncode == 0 and "ResNet-18" in shown.stdout
    # Over already: nothing is done, and it is said.
    again = train(tool, folder, out)
    assert again.returncode == 0 and "going on from" in again.stdout and "epoch 1/2" not in again.stdout


@pytest.mark.parametrize("ending", ["svg", "png"])
@pytest.mark.parametrize("log", ["log.csv", "log.jsonl"])
def test_curves(tool, folder, tmp_path, ending, log):
    cv2 = pytest.importorskip("cv2")
    picture = tmp_path / f"curves.{ending}"
    done = train(tool, folder, tmp_path / "w", "--log", tmp_path / log, "--plot", picture, "-q")
    assert done.returncode == 0, done.stderr
    if ending == "png":
        image = cv2.imread(str(picture))
        assert image.shape == (760, 900, 3)
        # The curves' colours are there: training, validation.
        for blue, green, red in ((181, 120, 31), (41, 79, 214)):
            near = abs(image.astype(int) - [blue, green, red]).max(axis=2) < 12
            assert near.sum() > 100
    else:
        assert len(xml.parse(picture).getroot().findall(".//{http://www.w3.org/2000/svg}path")) > 20


def test_resumes(tool, folder, whole, tmp_path):
    """Fewer epochs first; the longer run goes on and has the same bytes."""
    out = tmp_path / "w.safetensors"
    assert train(tool, folder, out, "--epochs", "1").returncode == 0
    done = train(tool, folder, out, "--threads", "1")
    assert done.returncode == 0 and "epoch 2, step 0 of 3" in done.stdout
    assert out.read_bytes() == whole.read_bytes()


def test_interrupted(tool, folder, whole, tmp_path):
    """Ctrl-C at any moment: exit code 130 and a checkpoint; the same command goes on to the same bytes."""
    out = tmp_path / "w.safetensors"
    command = [str(tool.binary), "train", "--data", str(folder), "--out", str(out), *SHORT]
    interrupted = 0
    for attempt in range(200):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        # Before the run there is nothing to keep; so wait for its first words.
        first = process.stdout.readline()
        time.sleep(0.01 * (attempt % 7))
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
        assert first
        if process.returncode == 0:
            break
        assert process.returncode == 130 and "uldor: interrupted" in errors, errors
        interrupted += 1
    assert process.returncode == 0 or train(tool, folder, out).returncode == 0
    assert interrupted > 0 and out.read_bytes() == whole.read_bytes()
    assert not list(tmp_path.glob("*.partial"))


def test_killed(tool, folder, whole, tmp_path):
    """kill -9 at random moments, 20 times and until some met a run between its steps: what stands is whole, and the same command ends with
    the bytes and the log's lines of the run that nothing stopped."""
    often = ["--checkpoint-steps", "1"]
    moments, kills, halves, begun = random.Random(9), 0, 0, time.monotonic()
    assert train(tool, folder, tmp_path / "timed", *often).returncode == 0
    longest = time.monotonic() - begun
    out = tmp_path / "0" / "w.safetensors"
    out.parent.mkdir()
    command = [str(tool.binary), "train", "--data", str(folder), *SHORT, *often, "--out"]
    while kills < 20 or (halves < 5 and kills < 200):
        checkpoint = out.with_name("w.safetensors.checkpoint")
        before = checkpoint.read_bytes() if checkpoint.exists() else b""
        process = subprocess.Popen([*command, str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            process.wait(moments.uniform(0, longest))
        except subprocess.TimeoutExpired:
            process.kill()
        errors = process.communicate()[1]
        assert process.returncode in (0, -signal.SIGKILL), errors
        kills += process.returncode != 0
        halves += process.returncode != 0 and checkpoint.exists() and checkpoint.read_bytes() != before
        for file in (out, checkpoint):
            assert not file.exists() or tensors(file)  # every byte that the header tells of is there
        if process.returncode == 0 or (kills >= 20 and halves >= 5):
            done = train(tool, folder, out, *often)
            assert done.returncode == 0 and out.read_bytes() == whole.read_bytes(), done.stderr
            assert steps(out) == steps(whole)
            assert not list(out.parent.glob("*.partial"))
            out = tmp_path / str(len(list(tmp_path.iterdir()))) / "w.safetensors"
            out.parent.mkdir()
    assert halves >= 5


def steps(out):
    """What a log tells of each step, but the time."""
    lines = [line.split(",") for line in out.with_name(f"{out.name}.csv").read_text().splitlines()]
    kept = [index for index, name in enumerate(lines[0]) if name != "images_per_second"]
    return [[line[index] for index in kept] for line in lines]


@pytest.mark.parametrize("arguments, message", [
    ([], "--data is missing"),
    (["--data", "D"], "--out is missing"),
    (["--data", "D", "--out", "W"], "--arch or --init is missing"),
    (["--data", "D", "--out", "W", "--arch", "narrow", "--no-log", "--plot", "x.svg"], "--plot draws the log"),
    (["--data", "D", "--out", "W", "--plot", "x.gif"], "--plot: 'x.gif' is not a usable value"),
    (["--data", "D", "--lr", "-1"], "--lr: '-1' is not a usable value"),
    (["--data", "D", "--lr", "nan"], "--lr: 'nan' is not a usable value"),
    (["--data", "D", "--momentum", "1"], "--momentum"),
    (["--data", "D", "--epochs", "0"], "--epochs"),
    (["--data", "D", "--optimiser", "adam"], "--optimiser: 'adam' is not a usable value"),
    (["--data", "D", "--second-momentum", "1"], "--second-momentum"),
    (["--data", "D", "--lr-schedule", "linear"], "--lr-schedule: 'linear' is not a usable value"),
    (["--data", "D", "--batch", "2x"], "--batch"),
    (["--data", "D", "--seed", "-1"], "--seed"),
    (["--data", "D", "--scale", "2,1"], "--scale"),
    (["--data", "D", "--on-bad", "ignore"], "--on-bad"),
    (["--data", "D", "--checkpoint", ""], "--checkpoint"),
    (["--data", "D", "--checkpoint", "c", "--no-checkpoint", "--out", "W"], "--checkpoint and --no-checkpoint"),
    (["--data", "D", "--nonsense"], "unknown option --nonsense"),
    (["--data", "D", "more"], "options only"),
])
def test_usage(tool, arguments, message):
    done = tool("train", *arguments)
    assert done.returncode == 2 and message in done.stderr and done.stdout == ""


def test_help(tool):
    assert "usage: uldor train" in tool("train", "--help").stdout
    assert "  train " in tool("--help").stdout


def broken(tmp_path, change):
    """A copy of the data with something wrong in it."""
    folder = training_data.write(tmp_path / "data", train=4, validation=1)
    change(folder)
    return folder


def without_image(folder):
    (folder / "Images_png/000002_01_01/005.png").unlink()


def malformed_row(folder):
    lines = rows(folder)
    lines[2] = lines[2].replace('"96, 96"', '"96, x"')
    (folder / "DL_info.csv").write_text("\n".join(lines) + "\n")


def other_size(folder):
    lines = rows(folder)
    lines[2] = lines[2].replace('"96, 96"', '"95, 96"')
    (folder / "DL_info.csv").write_text("\n".join(lines) + "\n")


def outside(folder):
    lines = rows(folder)
    lines[2] = re.sub(r'^([^"]*)"[^"]*"', r'\1"500, 20, 530, 20, 515, 10, 515, 30"', lines[2])
    (folder / "DL_info.csv").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("change, named", [
    (without_image, "005.png"), (malformed_row, "DL_info.csv:3"), (other_size, "DL_info.csv:3"), (outside, "DL_info.csv:3")])
def test_bad_data(tool, tmp_path, change, named):
    """Named by --check, an error by default, left out and counted with --on-bad skip."""
    folder = broken(tmp_path, change)
    check = tool("train", "--data", folder, "--check")
    assert check.returncode == 1 and named in check.stdout + check.stderr, check.stdout + check.stderr
    assert "DL_info.csv:3" in check.stdout + check.stderr
    strict = train(tool, folder, tmp_path / "w")
    assert strict.returncode == 1 and named in strict.stderr and "DL_info.csv:3" in strict.stderr, strict.stderr
    assert not (tmp_path / "w").exists()
    lenient = train(tool, folder, tmp_path / "v", "--on-bad", "skip")
    assert lenient.returncode == 0 and named in lenient.stderr, lenient.stderr
    assert "3 images to train on" in lenient.stdout


def test_nothing_to_train_on(tool, tmp_path):
    folder = training_data.write(tmp_path / "data", train=0, validation=2)
    done = train(tool, folder, tmp_path / "w")
    assert done.returncode == 1 and "no image of split 1" in done.stderr
    assert list(tmp_path.iterdir()) == [folder]
    assert tool("train", "--data", folder, "--check").returncode == 1
    assert "cannot open" in tool("train", "--data", tmp_path / "nowhere", "--check").stderr


def test_split_to_train_on(tool, folder, tmp_path):
    """--check looks for images of the split that would be trained on, and names the table."""
    table = folder / "DL_info.csv"
    done = tool("train", "--data", folder, "--check", "--train-split", "3")
    assert done.returncode == 1 and f"{table}: no image of split 3 to train on" in done.stdout, done.stdout
    assert tool("train", "--data", folder, "--check", "--train-split", "2").returncode == 0
    done = train(tool, folder, tmp_path / "w", "--train-split", "3")
    assert done.returncode == 1 and f"{table}: no image of split 3 to train on" in done.stderr and not list(tmp_path.iterdir())


def test_what_was_left_out_is_counted(tool, tmp_path):
    folder = broken(tmp_path, malformed_row)
    (folder / "Images_png/000003_01_01/005.png").unlink()
    windows = tmp_path / "windows.csv"
    windows.write_text("series,x1,y1,x2,y2\n" + "".join(
        f"{number:06d}_01_01,1,1,{12 if number == 1 else 96},96\n" for number in range(1, 6)))
    done = train(tool, folder, tmp_path / "w", "--on-bad", "skip", "--windows", windows)
    assert done.returncode == 0, done.stderr
    for text in ("1 bad row left out", "1 bad image left out", "1 lesion left out: outside the window",
                 "1 image left out: no lesion within the window"):
        assert f"uldor: warning: {text}\n" in done.stderr, done.stderr
    assert "1 images to train on" in done.stdout
    check = tool("train", "--data", folder, "--check", "--on-bad", "skip", "--windows", windows)
    assert "1 lesions lie outside their windows, 1 images have no others" in check.stdout, check.stdout


def test_quiet(tool, folder, tmp_path):
    done = train(tool, folder, tmp_path / "w", "-q")
    assert done.returncode == 0 and done.stdout == done.stderr == ""


@pytest.mark.parametrize("option", ["--out", "--checkpoint", "--log", "--plot"])
def test_inputs_are_not_written_over(tool, folder, tmp_path, option):
    config, init, picture = tmp_path / "config.json", tmp_path / "init", tmp_path / "data.svg"
    config.write_text('{"format": 1, "classes": ["background", "lesion"]}')
    assert train(tool, folder, tmp_path / "w", "--no-checkpoint", "--no-log").returncode == 0
    (tmp_path / "w").rename(init)
    shutil.copytree(folder, tmp_path / "data")
    table = tmp_path / "data/DL_info.csv"
    if option == "--plot":
        picture.symlink_to(table)
    inputs = [picture] if option == "--plot" else [table, config] + [init] * (option != "--out")
    reasons = ("this is an input; it is not overwritten", "this is an image of the data set", "is options.init_path")
    for path in inputs + [tmp_path / "data/Images_png/000001_01_01/005.png"]:
        before = path.read_bytes()
        done = train(tool, tmp_path / "data", tmp_path / "w", "--config", config, "--init", init, option, path)
        assert done.returncode == 1 and f"{path}" in done.stderr and any(text in done.stderr for text in reasons), done.stderr
        assert path.read_bytes() == before and not (tmp_path / "w").exists()


def test_mistyped_directory_of_masks(tool, folder, tmp_path):
    """Without masks every slice without a row would be a negative."""
    for more in (["--negatives"], ["--pseudo-masks", "--negatives"], []):
        done = train(tool, folder, tmp_path / "w", "--masks", tmp_path / "Masks_pgn", *more)
        assert done.returncode == 1 and f"{tmp_path}/Masks_pgn: cannot read the masks' directory: No such file" in done.stderr


def test_good_data(tool, folder):
    done = tool("train", "--data", folder, "--check")
    assert done.returncode == 0 and "9 images" in done.stdout and done.stderr == ""


def test_denied_places(tool, folder, tmp_path):
    for option, place in (("--out", "/proc/uldor"), ("--checkpoint", tmp_path / "no/c"), ("--log", tmp_path / "no/l"),
                          ("--plot", tmp_path / "no/p.svg"), ("--config", tmp_path / "no/c.json"), ("--init", tmp_path / "no/i")):
        done = train(tool, folder, tmp_path / "w", option, place)
        assert done.returncode == 1 and f"{place}: " in done.stderr, done.stderr
        assert not (tmp_path / "w").exists()


def test_no_room(tool, folder, tmp_path):
    """A limit on file sizes stands for a full disk: what was there stays, nothing half-written is left."""
    import resource

    out = tmp_path / "w"
    out.write_text("the old weights")
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # noqa: E731
    done = train(tool, folder, out, "--no-log", preexec_fn=limit)
    assert done.returncode == 1 and "File too large" in done.stderr
    assert out.read_text() == "the old weights" and [file.name for file in tmp_path.iterdir()] == ["w"]


def test_config_and_init(tool, folder, tmp_path):
    config = tmp_path / "config.json"
    config.write_text('{"format": 1, "name": "mine", "classes": ["background", "lesion"], "anchors": {"sizes": [[12], [24], [32], [48], [96]]}}')
    assert train(tool, folder, tmp_path / "a", "--config", config, "--half", "--restart", "--no-checkpoint", "--no-log").returncode == 0
    assert '"mine"' in tool("info", "--json", tmp_path / "a").stdout
    done = tool("train", "--data", folder, "--out", tmp_path / "b", "--init", tmp_path / "a", "--classes", "3", "--epochs", "1",
                "--no-augmentation", "--clip", "1", "--warmup", "2")
    assert done.returncode == 0, done.stderr
    assert "2 classes become 3" in done.stdout
    assert "false_positive" in tool("info", tmp_path / "b").stdout
