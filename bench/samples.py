# SPDX-License-Identifier: Apache-2.0
"""Figures from samples: medians, and ratios within rounds."""
from __future__ import annotations

from statistics import median
from typing import Any, Dict, List, Mapping, Optional, Sequence

Row = Mapping[str, Any]


def times(row: Row, pasted: bool = True) -> List[float]:
    """Milliseconds of every run; without what pasting the masks into the image took, if not `pasted`."""
    return [sample["ms"] - (0.0 if pasted else sample["paste_ms"]) for sample in row.get("samples", [])]


def middle(values: Sequence[float]) -> Optional[float]:
    return median(values) if values else None


def spread(values: Sequence[float]) -> Optional[float]:
    """Half of the distance between the quartiles over the median."""
    if len(values) < 4:
        return None
    ordered = sorted(values)
    low, high = ordered[len(ordered) // 4], ordered[-1 - len(ordered) // 4]
    return (high - low) / 2 / median(ordered)


def ratios(ours: Row, theirs: Row, pasted: bool = True) -> List[float]:
    """Ours over theirs in each round that both have."""
    by_round: Dict[int, float] = dict(zip((sample["round"] for sample in theirs["samples"]), times(theirs, pasted)))
    pairs = zip((sample["round"] for sample in ours["samples"]), times(ours, pasted))
    return [value / by_round[number] for number, value in pairs if number in by_round]


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
