"""The tables of docs/table1.md."""
from typing import Dict, List

import numpy as np
from numpy.typing import NDArray

from claims import CLAIMS, judged
from collect import HNEM, Collected
from mined import by_score, counts
from paper import LEVELS, ROWS, TABLE
from resampling import Sampled, interval

HEAD = "| | " + " | ".join(f"{level:g}" for level in LEVELS) + " | maximum | FP/image at the end |"
SCORES = (0.0, 0.3, 0.5, 0.7, 0.8, 1.01)
RULER = "|---" * (len(LEVELS) + 3) + "|"
Rows = Dict[str, Sampled]


def paper_table() -> List[str]:
    lines = [HEAD, RULER]
    for row, (title, values, maximum) in TABLE.items():
        shown = ["-" if value is None else f"{value:.2f}" for value in (*values, maximum)]
        lines.append(f"| {title} | {' | '.join(shown)} | {'5 at most' if row == HNEM else ''} |")
    return lines


def cell(value: float, low: float, high: float, seeds: NDArray[np.float64]) -> str:
    """Mean over the seeds, the bootstrap's interval, the seeds' range."""
    spread = f"; {100 * seeds.min():.1f}...{100 * seeds.max():.1f}" if len(seeds) > 1 else ""
    return f"**{100 * value:.1f}** ({100 * low:.1f}-{100 * high:.1f}{spread})"


def row_cells(row: Sampled) -> List[str]:
    """A level counts as reached where every seed's curve gets there."""
    value, low, high = interval(row.mean(row.values))
    cells = [cell(value[i], low[i], high[i], row.values[:, 0, i]) if i == len(LEVELS) or row.reached[:, i].all() else "-"
             for i in range(len(LEVELS) + 1)]
    end, end_low, end_high = interval(row.mean(row.false))
    return cells + [f"{end:.1f} ({end_low:.1f}-{end_high:.1f})"]


def rows_table(rows: Rows) -> List[str]:
    return [HEAD, RULER] + [f"| {TABLE[row][0]} | {' | '.join(row_cells(rows[row]))} |" for row in ROWS]


def claims_table(found: Dict[str, Rows]) -> List[str]:
    """`found`: rows by what they were measured on. Claim by claim."""
    said = {where: judged(rows) for where, rows in found.items()}
    lines = ["| claim, as a difference | set, truth | difference (95 % interval) | each seed | |", "|---|---|---|---|---|"]
    for place, claim in enumerate(CLAIMS):
        for where, claims in said.items():
            _, seeds, (value, low, high), verdict = claims[place]
            each = ", ".join(f"{difference:+.1f}" for difference in seeds)
            mean = f"{value:+.1f} ({low:+.1f} to {high:+.1f}) {claim.unit}"
            lines.append(f"| {claim.text} | {where} | {mean} | {each} | **{verdict}** |")
    return lines


def negatives_table(found: Collected) -> List[str]:
    """Lesions that nobody annotated are known only where there is a full truth."""
    kinds = {"nothing": "no lesion", "unannotated": "a lesion that nobody annotated", "annotated": "an annotated lesion"}
    if len(found.images) == 1:
        kinds = {"nothing": "no annotated lesion", "annotated": "an annotated lesion"}
    lines = [f"| HNEM's last mined set | negatives | {' | '.join(kinds.values())} |", "|---" * (len(kinds) + 2) + "|"]
    for name, chosen in found.negatives.items():
        if chosen and name.startswith(HNEM + "."):
            number = counts(chosen)
            parts = [f"{number[kind]} ({100 * number[kind] / len(chosen):.0f} %)" for kind in kinds]
            lines.append(f"| seed {name.rpartition('.')[2]} | {len(chosen)} | {' | '.join(parts)} |")
    return lines


def scores_table(found: Collected) -> List[str]:
    """How sure the detector was of what was mined, and how often a lesion was there; all seeds."""
    chosen = [negative for seed in found.seeds for negative in found.negatives.get(f"{HNEM}.{seed}", [])]
    bands = by_score(chosen, SCORES)
    lesions = [100 * (sum(n.values()) - n["nothing"]) / sum(n.values()) if sum(n.values()) else 0.0 for n in bands]
    names = [f"{low:g}-{min(high, 1):g}" for low, high in zip(SCORES, SCORES[1:])]
    return [f"| S1 | {' | '.join(names)} |", "|---" * (len(bands) + 1) + "|",
            f"| mined, all seeds | {' | '.join(str(sum(n.values())) for n in bands)} |",
            f"| lesions, % | {' | '.join(f'{part:.0f}' for part in lesions)} |"]


def ablation_table(found: Collected, truth: str) -> List[str]:
    """Of the first seed, beside the pseudo masks' and HNEM's of that seed."""
    seed = found.seeds[0]
    rows = {"pseudo masks, not mined": (found.events[truth]["mask"][0], f"mask.{seed}"),
            "HNEM: m = 3, good IoU 0.3, least score 0.7, mined every epoch": (found.events[truth][HNEM][0], f"{HNEM}.{seed}")}
    rows.update({name if name.endswith("not mined") else f"HNEM, {name}": (events[truth], f"{name}.{seed}")
                 for name, events in found.ablations.items()})
    lines = [HEAD + " mined | of them lesions |", RULER + "---|---|"]
    for name, (events, of) in rows.items():
        value, reached = events.levels(LEVELS)
        false, true = events.curve()
        cells = [f"{100 * v:.1f}" if there else "-" for v, there in zip(value, reached)]
        chosen = found.negatives.get(of, [])
        mined = f"{len(chosen)} | {len(chosen) - counts(chosen)['nothing']}" if chosen else "- | -"
        lines.append(f"| {name} | {' | '.join(cells)} | {100 * true[-1]:.1f} | {false[-1]:.1f} | {mined} |")
    return lines
