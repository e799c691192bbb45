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


def is_counted(sample: Row) -> bool:
    """Whether the machine gave the cores before and after this run."""
    given, asked = sample.get("cores", (1, 1))
    return bool(given >= GIVEN * asked)


def _or_all(counted: List[Any], everything: List[Any]) -> List[Any]:
    return counted if len(counted) >= FEWEST else everything


def milliseconds(sample: Row, pasted: bool = True) -> float:
    """Of a run; without what pasting the masks into the image took, if not `pasted`."""
    return float(sample["ms"] - (0.0 if pasted else sample["paste_ms"]))


def _counted(row: Row) -> List[Row]:
    samples = list(row.get("samples", []))
    return _or_all(list(filter(is_counted, samples)), samples)


def times(row: Row, pasted: bool = True) -> List[float]:
    """Of the runs that count."""
    return [milliseconds(sample, pasted) for sample in _counted(row)]


def cores(row: Row) -> float:
    """What the machine gave beside the runs that count, in the median: the gain of the multiply-add loop, which touches no memory, with
    as many threads. An engine can hardly gain more."""
    return median([sample.get("cores", (1, 1))[0] for sample in _counted(row)])


def middle(values: Sequence[float]) -> Optional[float]:
    return median(values) if values else None


def spread(values: Sequence[float]) -> Optional[float]:
    """Half of the distance between the quartiles over the median."""
    if len(values) < 4:
        return None
    ordered = sorted(values)
    low, high = ordered[len(ordered) // 4], ordered[-1 - len(ordered) // 4]
    return (high - low) / 2 / median(ordered)


def ratios(ours: Row, theirs: Row, pasted: bool = True, all_rounds: bool = False) -> List[float]:
    """Ours over theirs in each round that both have: of the rounds in which both runs count, or of all."""
    by_round: Dict[int, Row] = {sample["round"]: sample for sample in theirs["samples"]}
    pairs = [(sample, by_round[sample["round"]]) for sample in ours["samples"] if sample["round"] in by_round]
    chosen = pairs if all_rounds else _or_all([pair for pair in pairs if all(map(is_counted, pair))], pairs)
    return [milliseconds(a, pasted) / milliseconds(b, pasted) for a, b in chosen]


def remark_on_cores(rows: Mapping[str, Row]) -> str:
    """How many runs count, if not all; and whose are too few, so that all do."""
    samples = {key: row["samples"] for key, row in rows.items() if row.get("samples")}
    counts = {key: sum(map(is_counted, runs)) for key, runs in samples.items()}
    runs = sum(map(len, samples.values()))
    if sum(counts.values()) == runs:
        return ""
    few = [key for key, count in counts.items() if count < FEWEST]
    return f" The machine gave its cores to {sum(counts.values())} of {runs} runs" + (
        f"; **too few of {', '.join(few)}, of which all count.**" if few else ", which count.")


def others(rows: Mapping[str, Row]) -> float:
    """Cores that something else kept busy, in the median over all runs."""
    return median([sample["others"] for row in rows.values() for sample in row.get("samples", [])] or [0.0])


def peak(fma: Sequence[Row], instructions: str, threads: int) -> Optional[float]:
    """Median GFLOP/s of the multiply-add loop."""
    return next((row["median_gflops"] for row in fma if row["instructions"] == instructions and row["threads"] == threads), None)


def best_peak(fma: Sequence[Row], threads: int) -> Optional[float]:
    """Of the widest set that the machine has: what an engine could use."""
    return max((rate for name in ("avx2", "avx512") if (rate := peak(fma, name, threads))), default=None)


def gflops(row: Row, engine: str) -> Optional[float]:
    """Arithmetic of the network's direct convolutions a second, without pasting, in a configuration."""
    bare = middle(times(row["engines"].get(engine, {}), False))
    return 2 * row["gmac"]["total"] / bare * 1e3 if bare else None


def share_of_peak(row: Row, engine: str) -> Optional[float]:
    """The same over what the multiply-add loop gives."""
    rate, best = gflops(row, engine), best_peak(row["fma"], row["threads"])
    return rate / best if rate and best else None


def stages(row: Row) -> Dict[str, float]:
    """Median milliseconds of each of libuldor's stages, in their order."""
    found = [sample["stages"] for sample in row.get("samples", []) if "stages" in sample]
    return {name: median([stage.get(name, 0.0) for stage in found]) for name in (found[0] if found else {})}
