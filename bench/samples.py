# SPDX-License-Identifier: Apache-2.0
"""Figures from samples: medians, and ratios within rounds."""
from __future__ import annotations

from statistics import median
from typing import Any, Dict, List, Mapping, Optional, Sequence

Row = Mapping[str, Any]


#: Of the cores that were asked for, the part that the machine must give for a run to count.
GIVEN = 0.9
#: With fewer runs that count than these, all do.
FEWEST = 3


def steady(sample: Row) -> bool:
    """Whether the machine gave the cores before and after this run."""
    given, asked = sample.get("cores", (1, 1))
    return bool(given >= GIVEN * asked)


def counted(row: Row) -> List[Row]:
    """The runs that count."""
    samples: List[Row] = list(row.get("samples", []))
    chosen = [sample for sample in samples if steady(sample)]
    return chosen if len(chosen) >= FEWEST else samples


def milliseconds(sample: Row, pasted: bool = True) -> float:
    """Of a run; without what pasting the masks into the image took, if not `pasted`."""
    return float(sample["ms"] - (0.0 if pasted else sample["paste_ms"]))


def times(row: Row, pasted: bool = True) -> List[float]:
    return [milliseconds(sample, pasted) for sample in counted(row)]


def middle(values: Sequence[float]) -> Optional[float]:
    return median(values) if values else None


def spread(values: Sequence[float]) -> Optional[float]:
    """Half of the distance between the quartiles over the median."""
    if len(values) < 4:
        return None
    ordered = sorted(values)
    low, high = ordered[len(ordered) // 4], ordered[-1 - len(ordered) // 4]
    return (high - low) / 2 / median(ordered)


def ratios(ours: Row, theirs: Row, pasted: bool = True, everything: bool = False) -> List[float]:
    """Ours over theirs in each round that both have: of the rounds in which both runs count, or of all."""
    by_round: Dict[int, Row] = {sample["round"]: sample for sample in theirs["samples"]}
    pairs = [(sample, by_round[sample["round"]]) for sample in ours["samples"] if sample["round"] in by_round]
    chosen = [pair for pair in pairs if steady(pair[0]) and steady(pair[1])]
    return [milliseconds(a, pasted) / milliseconds(b, pasted) for a, b in (pairs if everything or len(chosen) < FEWEST else chosen)]


def given(rows: Mapping[str, Row]) -> tuple[int, int]:
    """Runs for which the machine gave its cores, and all runs."""
    samples = [sample for row in rows.values() for sample in row.get("samples", [])]
    return sum(map(steady, samples)), len(samples)


def others(rows: Mapping[str, Row]) -> float:
    """Cores that something else kept busy, in the median over all runs."""
    return median([sample["others"] for row in rows.values() for sample in row.get("samples", [])] or [0.0])


def peak(fma: Sequence[Row], instructions: str, threads: int) -> Optional[float]:
    """Median GFLOP/s of the multiply-add loop."""
    return next((row["median_gflops"] for row in fma if row["instructions"] == instructions and row["threads"] == threads), None)


def stages(row: Row) -> Dict[str, float]:
    """Median milliseconds of each of libuldor's stages, in their order."""
    found = [sample["stages"] for sample in row.get("samples", []) if "stages" in sample]
    return {name: median([stage.get(name, 0.0) for stage in found]) for name in (found[0] if found else {})}
