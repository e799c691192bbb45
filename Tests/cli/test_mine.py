"""`uldor mine`, mining in `uldor train`, and what false positives of a model are to detect and evaluate."""

import json
import re
import signal
import subprocess
import time

import pytest

import training_data
from test_terminal import on_terminal

WHOLE = ["--min-score", "0.3", "--good-iou", "0.5", "--seed", "7"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return training_data.write(tmp_path_factory.mktemp("data"), train=8, validation=2)


@pytest.fixture(scope="module")
def whole(tool, folder, tmp_path_factory):
    """The bytes of a run that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole") / "mined.jsonl"
    done = mine(tool, folder, out)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return out.read_bytes()


def mine(tool, folder, out, *more, **keywords):
    return tool("mine", "--weights", tool.weights, "--data", folder, "--out", out, *WHOLE, *more, **keywords)


def test_mines(tool, folder, whole, tmp_path):
    done = mine(tool, folder, tmp_path / "m", "--threads", "1", "--streams", "2")
    assert done.returncode == 0 and (tmp_path / "m").read_bytes() == whole
    first, *entries, last = map(json.loads, whole.splitlines())
    assert first["images"] == len(entries) == 8 and first["seed"] == 7 and first["good_iou"] == 0.5
    found = [d["why"] for entry in entries for d in entry["detections"]]
    chosen, candidates = found.count("chosen"), found.count("chosen") + found.count("not drawn")
    assert re.search(rf"^8 images, a lesion found in \d+; {len(found)} detections, {found.count('good')} of them good$", done.stdout, re.M)
    assert f"{candidates} candidates, {chosen} mined: {tmp_path / 'm'}\n" in done.stdout and last["mined"] == chosen > 0
    assert [file.name for file in tmp_path.iterdir()] == ["m"]
    quiet = mine(tool, folder, tmp_path / "q", "-q")
    assert quiet.stdout == quiet.stderr == "" and (tmp_path / "q").read_bytes() == whole


@pytest.mark.parametrize("options, field, value", [
    (["--most", "1"], "most", 1), (["--boxes-only"], "boxes_only", True), (["--spare", "0.5"], "spare_quantile", 0.5),
    (["--score-threshold", "0.4"], "score_threshold", 0.4), (["--epoch", "3"], "epoch", 3),
    (["--seed", "18446744073709551615"], "seed", 2**64 - 1), (["--split", "validation"], "images", 2),
    (["--min-score", "0.1"], "min_score", 0.1), (["--good-iou", "0.2"], "good_iou", 0.2)])
def test_options(tool, folder, whole, tmp_path, options, field, value):
    done = mine(tool, folder, tmp_path / "m", *options)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "m").read_bytes().splitlines()[0])[field] == value
    assert (tmp_path / "m").read_bytes() != whole
    assert ("spared" in done.stdout) == ("--spare" in options)


@pytest.mark.parametrize("options", [["--instructions", "avx2"], ["--instructions", "best"]])
def test_instructions(tool, folder, whole, tmp_path, options):
    done = mine(tool, folder, tmp_path / "m", *options)
    if done.returncode == 1 and "lacks" in done.stderr:
        pytest.skip("no AVX2 here")
    assert (tmp_path / "m").read_bytes() == whole


def test_interrupted(tool, folder, whole, tmp_path):
    """Ctrl-C at any moment: exit code 130; the same command goes on to the same bytes."""
    out, interrupted = tmp_path / "m", 0
    command = [str(tool.binary), "mine", "-w", str(tool.weights), "--data", str(folder), "-o", str(out), "--threads", "1", *WHOLE]
    for attempt in range(40):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(0.02 + 0.005 * (attempt % 13))
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
        # -SIGINT: it came before main() had begun
        assert process.returncode in (0, 130, -signal.SIGINT), errors
        if process.returncode == 0:
            assert out.read_bytes() == whole and not (tmp_path / "m.part").exists()
            out.unlink()
            continue
        interrupted += 1
        assert process.returncode < 0 or "uldor: interrupted" in errors
        assert not out.exists()
    assert interrupted > 5 and mine(tool, folder, out).returncode == 0 and out.read_bytes() == whole


def test_restart_and_resume(tool, folder, whole, tmp_path):
    out, part = tmp_path / "m", tmp_path / "m.part"
    none = mine(tool, folder, out, "--resume")
    assert none.returncode == 1 and f"{part}" in none.stderr
    part.write_bytes(b"".join(whole.splitlines(keepends=True)[:4]))
    other = mine(tool, folder, out, "--seed", "8")
    assert other.returncode == 1 and f"{part}" in other.stderr and "seed" in other.stderr
    assert mine(tool, folder, out, "--seed", "8", "--restart").returncode == 0
    assert out.read_bytes() != whole


def test_progress_on_a_terminal(tool, folder, tmp_path):
    command = [tool.binary, "mine", "-w", tool.weights, "--data", folder, "--out", tmp_path / "m", *WHOLE]
    code, seen = on_terminal(command, env={"TERM": "xterm"})
    assert code == 0 and "/8  [" in seen and "mining" in seen and "%" in seen
    assert seen.endswith("\r\x1b[K") and "\n" not in seen


@pytest.mark.parametrize("arguments, message", [
    (["--data", "D", "--out", "M"], "--weights is missing"), (["-w", "W", "--out", "M"], "--data is missing"),
    (["-w", "W", "--data", "D"], "--out is missing"), (["-w", "W", "--data", "D", "--out", ""], "--out: ''"),
    (["--good-iou", "1.1"], "--good-iou: '1.1' is not a usable value"), (["--min-score", "nan"], "--min-score"),
    (["--most", "1001"], "--most"), (["--spare", "-1"], "--spare"), (["--seed", "-1"], "--seed"), (["--streams", "65"], "--streams"),
    (["--split", "all"], "--split"), (["--instructions", "sse"], "--instructions"), (["--epoch", "x"], "--epoch"),
    (["-w", "W", "--data", "D", "--out", "M", "more"], "options only"), (["--nonsense"], "unknown option --nonsense"),
])
def test_usage(tool, arguments, message):
    done = tool("mine", *arguments)
    assert done.returncode == 2 and message in done.stderr and done.stdout == ""


def test_help(tool):
    assert "usage: uldor mine" in tool("mine", "--help").stdout
    assert "  mine " in tool("--help").stdout and "--mine " in tool("train", "--help").stdout


def test_files_that_cannot_be_written(tool, folder, tmp_path):
    for place in (tmp_path / "nowhere" / "m", "/proc/uldor", tmp_path, folder / "DL_info.csv"):
        done = mine(tool, folder, place)
        assert done.returncode == 1 and f"{place}: " in done.stderr, done.stderr
    weights = tool.weights.read_bytes()
    assert mine(tool, folder, tool.weights).returncode == 1 and tool.weights.read_bytes() == weights
    assert "DL_info.csv" in mine(tool, tmp_path, tmp_path / "m").stderr
    assert mine(tool, folder, tmp_path / "m", "--split", "test").returncode == 1


def test_bad_images(tool, tmp_path):
    folder = training_data.write(tmp_path / "data", train=4, validation=0)
    bad = folder / "Images_png/000002_01_01/005.png"
    bad.write_bytes(bad.read_bytes()[:200])
    strict = mine(tool, folder, tmp_path / "m")
    assert strict.returncode == 1 and "000002_01_01/005.png" in strict.stderr
    lenient = mine(tool, folder, tmp_path / "m", "--on-bad", "skip", "--restart")
    assert lenient.returncode == 0 and "000002_01_01/005.png" in lenient.stderr and "1 images were left out" in lenient.stdout


# --------------------------------------------------------------------------------------------------------- train


SHORT = ["--epochs", "2", "--lr", "0.005", "--proposals", "100", "--no-log", "--classes", "3"]
RULE = ["--mine-min-score", "0.02", "--mine-score-threshold", "0.01"]


def train(tool, folder, out, *more):
    return tool("train", "--data", folder, "--out", out, "--init", tool.weights, *SHORT, *more)


def test_train_mines(tool, folder, tmp_path):
    """Between epochs, into a file that `uldor mine` writes alike; the next run may learn from it."""
    done = train(tool, folder, tmp_path / "w", "--mine", *RULE, "--mine-most", "2", "--mined-out", tmp_path / "m")
    assert done.returncode == 0, done.stderr
    first, *_, last = map(json.loads, (tmp_path / "m").read_bytes().splitlines())
    assert (first["epoch"], first["most"], first["min_score"], first["score_threshold"]) == (1, 2, 0.02, 0.01) and last["mined"] > 0
    refused = train(tool, folder, tmp_path / "v", "--mined", tmp_path / "m")
    assert refused.returncode == 1 and f"{tmp_path / 'm'}:1: " in refused.stderr
    assert train(tool, folder, tmp_path / "v", "--mined", tmp_path / "m", "--mined-any-model").returncode == 0
    assert (tmp_path / "v").read_bytes() != (tmp_path / "w").read_bytes()


def test_train_shows_mining(tool, folder, tmp_path):
    command = [tool.binary, "train", "--data", folder, "--out", tmp_path / "w", "--init", tool.weights, *SHORT, "--mine", "--mine-first", "0", *RULE]
    code, seen = on_terminal(command, env={"TERM": "xterm"})
    assert code == 0 and "mining 1 of 2" in seen and "/8 images" in seen


@pytest.mark.parametrize("arguments, message", [
    (["--mine-most", "2"], "--mine is missing"), (["--mine-boxes-only"], "--mine is missing"), (["--mined-out", "M"], "--mined-out needs --mine"),
    (["--mined-any-model"], "--mined-any-model needs --mined"), (["--mine", "--mine-spare", "2"], "--mine-spare: '2'"),
    (["--mine", "--mine-every", "-1"], "--mine-every"), (["--mine", "--mine-first", "x"], "--mine-first")])
def test_train_usage(tool, arguments, message):
    done = tool("train", "--data", "D", "--out", "W", "--arch", "narrow", *arguments)
    assert done.returncode == 2 and message in done.stderr and done.stdout == ""


# -------------------------------------------------------------------------------------- False positives of a model


@pytest.fixture(scope="module")
def three(tool):
    return tool.weights.with_name("tiny_3class.safetensors")


def test_detect_drops_false_positives(tool, three, series):
    shown = {}
    for options in ([], ["--keep-false-positives"]):
        done = tool("detect", "-w", three, "--json", "-", "-q", "--no-resampling", "--max-detections", "1000", *options, series / "003.png")
        assert done.returncode == 0, done.stderr
        shown[bool(options)] = [(d["class"], d["score"]) for d in json.loads(done.stdout)["images"][0]["detections"]]
    assert {kind for kind, _ in shown[False]} == {"lesion"} and {kind for kind, _ in shown[True]} == {"lesion", "false_positive"}
    assert [d for d in shown[True] if d[0] == "lesion"] == shown[False]


def test_evaluate_keeps_false_positives(tool, three, folder, tmp_path):
    done = tool("evaluate", "-w", three, "--data", folder, "--split", "train", "-o", tmp_path / "r.json", "-q")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "r.json").read_text())
    assert {d["category_id"] for d in found} == {1, 2} and all("lesion_score" in d for d in found if d["category_id"] == 2)
