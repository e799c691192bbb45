"""docs/table1.md: tables, verdicts, pictures."""
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

import numpy as np

from claims import RULE, judged
from collect import HNEM, Collected, key
from mined import counts
from paper import LEVELS, ROWS, TABLE
from plan import Training
from resampling import Sampled, interval, rows_sampled

HEAD = "| | " + " | ".join(f"{level:g}" for level in LEVELS) + " | maximum | FP/image at the end |\n|---" + "|---" * (len(LEVELS) + 2) + "|"


def cell(value: float, low: float, high: float, seeds: np.ndarray, reached: bool) -> str:
    """Mean over the seeds, the bootstrap's interval, and the seeds' range."""
    if not reached:
        return "-"
    spread = f", {100 * seeds.min():.1f}...{100 * seeds.max():.1f}" if len(seeds) > 1 else ""
    return f"**{100 * value:.1f}** ({100 * low:.1f}-{100 * high:.1f}{spread})"


def row_cells(row: Sampled) -> List[str]:
    value, low, high = interval(row.mean(row.values))
    cells = [cell(value[i], low[i], high[i], row.values[:, 0, i], i == len(LEVELS) or bool(row.reached[:, i].all()))
             for i in range(len(LEVELS) + 1)]
    end, end_low, end_high = interval(row.mean(row.false))
    return cells + [f"{end:.1f} ({end_low:.1f}-{end_high:.1f})"]


def paper_table() -> List[str]:
    lines = [HEAD]
    for title, values, maximum in TABLE.values():
        shown = ["-" if value is None else f"{value:.2f}" for value in (*values, maximum)]
        lines.append(f"| {title} | {' | '.join(shown)} | {'5 at most' if maximum == 86.21 else ''} |")
    return lines


def rows_table(rows: Dict[str, Sampled]) -> List[str]:
    return [HEAD] + [f"| {TABLE[row][0]} | {' | '.join(row_cells(rows[row]))} |" for row in ROWS]


def claims_table(rows: Dict[str, Sampled], truth: str) -> List[str]:
    lines = []
    for claim, seeds, (value, low, high), said in judged(rows):
        each = ", ".join(f"{value:+.1f}" for value in seeds)
        lines.append(f"| {claim.text} | {truth} | {value:+.1f} ({low:+.1f} to {high:+.1f}) {claim.unit} | {each} | **{said}** |")
    return lines


def negatives_table(found: Collected) -> List[str]:
    lines = ["| training | mined in the last epoch | nothing there | a lesion that nobody annotated | an annotated lesion |", "|---|---|---|---|---|"]
    for name, chosen in found.negatives.items():
        if chosen and name.startswith(HNEM + "."):
            number = counts(chosen)
            part = [f"{number[truth]} ({100 * number[truth] / len(chosen):.0f} %)" for truth in ("nothing", "unannotated", "annotated")]
            lines.append(f"| HNEM, seed {name.rpartition('.')[2]} | {len(chosen)} | {' | '.join(part)} |")
    return lines


def ablation_lines(found: Collected, truth: str) -> List[str]:
    """One seed each, beside HNEM's and the pseudo masks' of the same seed."""
    seed = found.seeds[0]
    rows = {"pseudo masks, no mining": (found.events[truth]["mask"][0], f"mask.{seed}"),
            "HNEM (m = 3, 0.3, 0.7, every epoch)": (found.events[truth][HNEM][0], f"{HNEM}.{seed}")}
    for name, events in found.ablations.items():
        rows[name] = (events[truth], f"{name}.{seed}")
    lines = []
    for name, (events, of) in rows.items():
        value, reached = events.levels(LEVELS)
        false, true = events.curve()
        cells = [f"{100 * v:.1f}" if there else "-" for v, there in zip(value, reached)]
        chosen = found.negatives.get(of)
        mined = f"{len(chosen)} | {counts(chosen)['unannotated']}" if chosen else "0 | 0"
        lines.append(f"| {name} | {' | '.join(cells)} | {100 * true[-1]:.1f} | {false[-1]:.1f} | {mined} |")
    return lines


def ablation_table(found: Collected) -> List[str]:
    lines: List[str] = []
    for truth in found.images:
        lines += ["", f"Against the {truth} truth:", "", HEAD.replace("end |", "end | mined | of them lesions |", 1) + "---|---|"]
        lines += ablation_lines(found, truth)
    return lines


def minutes(found: Collected, names: Sequence[str]) -> str:
    taken = [found.results[key(t)]["seconds"] / 60 for t in found.trainings if t.name in names and key(t) in found.results]
    return f"{np.mean(taken):.1f} minutes ({min(taken):.1f} to {max(taken):.1f})" if taken else "no time"


def command_of(training: Training, root: Path) -> str:
    """The tool's command line, with paths from the repository's root."""
    shown: List[str] = []
    for argument in training.arguments():
        path = Path(argument)
        if path.is_absolute():
            argument = str(path.relative_to(root)) if root in path.parents else ("STS" if path == training.data.directory else
                       "/".join(["STS", *path.relative_to(training.data.directory).parts]) if training.data.directory in path.parents
                       else path.name)
        shown.append(argument)
    return "uldor train " + " ".join(shown)


def claims_section(found: Dict[str, Dict[str, Dict[str, Sampled]]], titles: Dict[str, str]) -> List[str]:
    lines = ["| claim | measured against | difference (95 %) | by seed | |", "|---|---|---|---|---|"]
    for name, truths in found.items():
        for truth, rows in truths.items():
            lines += claims_table(rows, f"{titles[name]}, {truth}")
    lines[2:] = sorted(lines[2:], key=lambda line: [c.text for c, *_ in judged(next(iter(next(iter(found.values())).values())))].index(
        line.split(" | ")[0][2:]))
    return lines


def sampled_rows(found: Collected) -> Dict[str, Dict[str, Sampled]]:
    return {truth: rows_sampled(rows) for truth, rows in found.events.items()}


def join(parts: Sequence[Optional[str]]) -> str:
    return "\n".join(part for part in parts if part is not None) + "\n"


Text = Any
