"""docs/table1.md and its pictures, from what has been trained."""
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Dict, List, Tuple

import numpy as np

import figure_curves
import figure_models
import figure_negatives
import tables
from claims import RULE
from collect import HNEM, Collected, collect, key
from curve import Truth, read_detections
from mined import counts
from paper import LEVELS, ROWS, TABLE
from paths import HERE, ROOT
from plan import START, Training
from resampling import rows_sampled
from sets import DataSet
from truth import Images

Planned = Dict[str, Tuple[DataSet, List[Training]]]
SHOWN = ("no-mask", "mask", HNEM)
INTRODUCTION = """
Written by `make table1` (experiments/table1); every figure comes from that command. What the paper claims of its four rows is about
differences between trainings, so it can be asked of any data: here of drawn phantoms and, where they are at hand, of public CT of
sarcomas. Neither is DeepLesion, and a figure can be compared with its neighbours only, not with the paper's. Research use only.

Sensitivity in % at 0.5 to 16 false positives (FP) an image, box IoU > 0.5, convention `paper` ([evaluation.md](evaluation.md)); "-": the
curve ends before. The paper's own, on DeepLesion's official test split:
"""
ROWS_ARE = """
The rows: Mask R-CNN without the mask loss; with it, on pseudo masks; with hard negative mining before every epoch from the second on
([mining.md](mining.md)); the same weights, the class of false positives appended behind the last lesion. All rows of a seed begin with the
same weights and take the same number of steps; the last weights count. Detections are those above Mask R-CNN's own threshold of 0.05.
Ours: **mean over the seeds** (95 % interval; least...greatest seed). The interval is a bootstrap of patients and seeds, the same samples
for all rows.
"""
MINED_SHEET = """
Mined negatives of the first seed's last set, as in the paper's Fig. 3: the detection's probability of lesion (S1), the IoU of its mask with
the pseudo mask (S2), the rule's case. Each kind has its share of the set, but kinds too rare to be seen have more. White: an annotated
lesion.
"""
MODELS = """
Detections of the first seed's three models at the score where each makes one false positive an image, as in the paper's Fig. 4. Dashed
green: annotated; dashed yellow: a lesion that is not annotated; blue: found; red: false. Slices are drawn from those on which the models
differ.
"""
ABLATED = """
One seed, so a few points mean nothing by themselves: the range over the seeds of the rows above says how many. "Of them lesions": of the
negatives of the last mined set, by the full truth.
"""


def write(planned: Planned, work: Path, output: Path) -> None:
    """Whatever has its three rows of at least one seed is in the report; what is missing is said."""
    sets = {name: collect(data, trainings) for name, (data, trainings) in planned.items()}
    pictures = output.parent / "images"
    pictures.mkdir(parents=True, exist_ok=True)
    lines = ["# The paper's Table 1, again", INTRODUCTION, *tables.paper_table(), ROWS_ARE.rstrip()]
    sampled: Dict[str, tables.Rows] = {}
    for found in sets.values():
        if not found.seeds:
            lines += ["", f"## {found.data.title}", "", "No seed has all rows yet."]
            continue
        rows = {truth: rows_sampled(by_row) for truth, by_row in found.events.items()}
        for truth, by_row in rows.items():
            sampled[f"{found.data.name}, {truth}" if len(rows) > 1 else found.data.name] = by_row
        lines += section(found, rows, work, pictures)
    if sampled:
        lines += ["", "## The paper's claims", "", *wrapped(RULE), "", *tables.claims_table(sampled)]
    lines += commands(sets)
    output.write_text("\n".join(lines) + "\n")
    print("wrote", output, flush=True)


def wrapped(text: str) -> List[str]:
    return textwrap.wrap(text, 140, break_long_words=False, break_on_hyphens=False)


def section(found: Collected, rows: Dict[str, tables.Rows], work: Path, pictures: Path) -> List[str]:
    data, seeds = found.data, found.seeds
    name = f"images/table1_{data.name}"
    lines = ["", f"## {data.title}", "", *about(found), ""]
    for truth, by_row in rows.items():
        of = found.images[truth].truth
        lines += [f"Measured against the {truth} truth, {of.lesions} lesions in {len(of.names)} images of {of.patients.max() + 1} "
                  f"patients, {len(seeds)} seed{'s' * (len(seeds) > 1)}:", "", *tables.rows_table(by_row)]
        lines += image_free(data, of) if data.name == "sts" else []
        lines += [""]
    figure_curves.curves(found.events, data.title, pictures / f"table1_{data.name}_froc.png")
    lines += [f"![FROC]({name}_froc.png)"]
    if any(found.negatives.get(f"{HNEM}.{seed}") for seed in seeds):
        lines += ["", "### What was mined", "", *tables.negatives_table(found), "", *by_case(found)]
        if len(data.truths) > 1:
            lines += ["", *tables.scores_table(found), "", *spared(found)]
    # Pictures of patients stay where the results are.
    draw_pictures(found, pictures if data.drawn else work)
    if data.drawn:
        lines += ["", f"![Mined negatives]({name}_negatives.png)", MINED_SHEET, f"![Three models]({name}_models.png)", MODELS.rstrip()]
    if found.ablations:
        lines += ["", "### Ablations", ABLATED.rstrip()]
        for truth in found.images:
            lines += ["", f"Against the {truth} truth, seed {seeds[0]}:", "", *tables.ablation_table(found, truth)]
    return lines + discussion(data.name, rows)


def about(found: Collected) -> List[str]:
    """What was drawn or read, what is missing, and how long it took."""
    data = found.data
    info = {truth: Images(data, truth, "train").truth for truth in data.truths}
    first, last = list(info)[0], list(info)[-1]
    text = (f"{len(info[first].names)} training images of {info[first].patients.max() + 1} patients with {info[first].lesions} annotated "
            "lesions. ")
    if first != last:
        text += (f"In truth there are {info[last].lesions}: the others have no row, as the paper supposes of DeepLesion, in validation and "
                 "test as well, and every image keeps one at least. Each phantom has vessels cut across, lymph nodes and loops of bowel "
                 "that are drawn to be taken for lesions (tools/phantom/lookalikes.py). ")
    missing = [f"{t.name}, seed {t.seed}" for t in found.trainings if key(t) not in found.results and not t.starts]
    if missing:
        text += f"Not trained here (the command goes on with them): {'; '.join(missing)}. "
    minutes = [found.results[f"{row}.{seed}"]["seconds"] / 60 for row in SHOWN for seed in found.seeds]
    return wrapped(f"{text}A training took {np.median(minutes):.0f} minutes in the median, on one thread of a machine that did other things "
                   "at the same time.")


def by_case(found: Collected) -> List[str]:
    chosen = [negative for seed in found.seeds for negative in found.negatives.get(f"{HNEM}.{seed}", [])]
    parts = []
    for case, what in (("a", "better than the lesion's own detection"), ("b", "no detection of the lesion")):
        number = counts([negative for negative in chosen if negative.case == case])
        if sum(number.values()):
            unknown = f"{number['unannotated']} unannotated and " if len(found.images) > 1 else ""
            parts.append(f"case ({case}), {what}: {sum(number.values())}, of them {unknown}{number['annotated']} annotated lesions")
    return wrapped("By the rule's case, all seeds: " + "; ".join(parts) + ". A negative is a lesion where their boxes have an IoU above 0.5.")


def spared(found: Collected) -> List[str]:
    """What spare_quantile left out."""
    lines: List[str] = []
    for name, left in found.spared.items():
        if left:
            number = counts(left)
            mined = counts(found.negatives[name])
            lines += wrapped(f"{name.rpartition('.')[0]} ([mining.md](mining.md)) spared {len(left)} candidates of its last mined set, "
                             f"{number['unannotated'] + number['annotated']} of them lesions; of the {sum(mined.values())} that it mined, "
                             f"{mined['unannotated'] + mined['annotated']} were.")
    return lines


def draw_pictures(found: Collected, place: Path) -> None:
    data, seed = found.data, found.seeds[0]
    first, last = list(data.truths)[0], list(data.truths)[-1]
    chosen = found.negatives.get(f"{HNEM}.{seed}")
    if chosen:
        figure_negatives.sheet(chosen, Images(data, first, "train"), place / f"table1_{data.name}_negatives.png")
    folders = {t.name: t.folder for t in found.trainings if t.seed == seed and t.name in SHOWN}
    detections = {row: read_detections(folders[row] / "detections.json", found.images[last].corners) for row in SHOWN}
    cuts = {row: figure_models.threshold(found.events[first][row][0]) for row in SHOWN}
    figure_models.side_by_side(found.images[first], found.images[last], detections, cuts, place / f"table1_{data.name}_models.png")


def image_free(data: DataSet, images: Truth) -> List[str]:
    """The images were cut out around their tumours. What a box without an image finds: its row of the table, and words on it."""
    command = [sys.executable, str(ROOT / "tools" / "image_free_box.py"), str(data.directory), "--windows",
               str(data.directory / "crops.csv")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "examples" / "python" / "src")}
    said = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.strip().splitlines()
    part = float(next(re.search(r", ([0-9.]+) %;", line)[1] for line in said if line.startswith("test:")))  # type: ignore[index]
    false = 1 - part / 100 * images.lesions / len(images.names)
    cells = [f"{part:.1f}" if false <= level else "-" for level in LEVELS]
    return [f"| *a box without an image* | {' | '.join(cells)} | {part:.1f} | {false:.1f} |", "",
            *wrapped("The images were cut out around their tumours, so a box that ignores the pixels, the same margins in every image, finds "
                     "some of them (`tools/image_free_box.py`; margins searched for on the training images, and what any could do): "
                     + "; ".join(said) + ".")]


def discussion(name: str, rows: Dict[str, tables.Rows]) -> List[str]:
    """What a person wrote about these results (discussion.md): only beside the very results that it was written about."""
    numbers = {truth: {row: [round(float(v), 4) for v in values.values[:, 0].ravel()] for row, values in by_row.items()}
               for truth, by_row in rows.items()}
    mark = f"<!-- results {name} {hashlib.sha256(json.dumps(numbers, sort_keys=True).encode()).hexdigest()[:12]} -->"
    text = (HERE / "discussion.md").read_text() if (HERE / "discussion.md").is_file() else ""
    print("discussion.md", "has" if mark in text else "has not", mark, flush=True)
    return ["", *text.partition(mark)[2].partition("<!-- results")[0].strip().splitlines()] if mark in text else []


def commands(sets: Dict[str, Collected]) -> List[str]:
    lines = ["", "## The trainings", "", *wrapped(
        f"`make table1` ran these, {platform.machine()}, one thread each; `--seed` is the row's, DATA the set's directory. What each took and "
        "its losses are in `build/table1/SET/ROW.SEED/result.json`."), ""]
    for found in sets.values():
        shown = [t for t in found.trainings if t.seed == 0 and t.name in (START, *SHOWN)]
        titles = {START: "what the rows of a seed begin with", **{row: TABLE[row][0] for row in ROWS}}
        lines += ["```sh", *(f"# {found.data.name}, {titles[t.name]}\n{line(t)}" for t in shown), "```", ""]
    return lines[:-1]


def line(training: Training) -> str:
    """With the set's directory as DATA and the repository's paths from its root."""
    directory = str(training.data.directory)
    words = [word.replace(directory, "DATA").replace(str(ROOT) + "/", "") for word in training.arguments()]
    return "\n  ".join(textwrap.wrap("uldor train " + " ".join(words), 136, break_long_words=False, break_on_hyphens=False)).replace(
        "\n", " \\\n")
