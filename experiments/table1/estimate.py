"""How long the experiment will take on this machine with this data: a few steps and detections are timed, and multiplied."""
import csv
import os
import shutil
import tempfile
from pathlib import Path
from typing import Dict, List

from plan import Training
from run import Runner
from sets import DataSet

SAMPLE = {"1": 8, "2": 2, "3": 4}  # images of each split that are timed
SHARES = {"1": "training", "2": "validation", "3": "test"}


def read(path: Path) -> List[Dict[str, str]]:
    with open(path, newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def split_images(rows: List[Dict[str, str]]) -> Dict[str, List[str]]:
    """Names of the key slices of each split, Possibly_noisy ones left out."""
    found: Dict[str, Dict[str, None]] = {split: {} for split in SAMPLE}
    for row in rows:
        if row.get("Possibly_noisy", "").strip() != "1":
            found[row["Train_Val_Test"].strip()][row["File_name"]] = None
    return {split: list(names) for split, names in found.items()}


def sample(rows: List[Dict[str, str]], path: Path) -> Dict[str, int]:
    """Writes the rows of a few images of each split, spread over it; returns how many images."""
    chosen, counted = set(), {}
    for split, names in split_images(rows).items():
        few = names[::max(1, len(names) // SAMPLE[split])][:SAMPLE[split]]
        chosen |= set(few)
        counted[split] = len(few)
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(row for row in rows if row["File_name"] in chosen)
    return counted


def hours(data: DataSet, trainings: List[Training], runner: Runner) -> float:
    """Of all trainings that are not done. Begins with whatever the first of them begins with."""
    left = [training for training in trainings if not training.done()]
    if not left:
        return 0.0
    rows = read(data.directory / "DL_info.csv")
    images = split_images(rows)
    folder = Path(tempfile.mkdtemp(prefix="uldor-estimate-"))
    try:
        counted = sample(rows, folder / "DL_info.csv")
        few = ("--csv", str(folder / "DL_info.csv"))
        weights = folder / "weights.safetensors"
        base = [option for option in left[0].arguments() if option not in ("--no-mask-loss", "--mine")]
        if "--mined-out" in base:
            place = base.index("--mined-out")
            base = base[:place] + base[place + 2:]
        short = with_value(with_value(base, "--epochs", "1"), "--validation-split", "0")
        files = ("--out", str(weights), "--no-checkpoint", "--no-log", "--threads", str(runner.threads), "--quiet")
        begin = runner.call("train", *with_value(short, "--epoch-images", "1"), *few, *files, "--restart")
        both = runner.call("train", *short, *few, *files, "--restart")
        look = runner.call("evaluate", "--weights", str(weights), *data.read, *few, "--split", "test", "--output",
                           str(folder / "detections.json"), "--restart", "--quiet", "--threads", str(runner.threads))
    finally:
        shutil.rmtree(folder)
    step = max(both - begin, 0.0) / max(counted["1"] - 1, 1)
    detection = look / counted["3"]
    seconds = 0.0
    for training in left:
        epochs = int(training.arguments()[training.arguments().index("--epochs") + 1])
        each = len(images["1"]) * step + len(images["2"]) * 0.5 * step + (len(images["1"]) * detection if training.mines else 0)
        seconds += epochs * each + len(images["3"]) * detection
    print(f"{len(left)} trainings, {', '.join(f'{len(images[s])} {SHARES[s]} images' for s in images)}; {step:.2f} s a training "
          f"image and {detection:.2f} s a detection with {runner.threads} thread(s), {os.cpu_count()} cores", flush=True)
    return seconds / 3600 / runner.jobs


def with_value(arguments: List[str], option: str, value: str) -> List[str]:
    """The arguments with another value of an option, or with it."""
    if option not in arguments:
        return [*arguments, option, value]
    place = arguments.index(option)
    return arguments[:place + 1] + [value] + arguments[place + 2:]
