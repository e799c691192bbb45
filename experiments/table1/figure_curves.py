"""FROC curves of the rows: the mean over the seeds, with the band of the bootstrap."""
from pathlib import Path
from typing import Dict, List, Sequence

import matplotlib
import numpy as np
from numpy.typing import NDArray

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from curve import Events, sampled  # noqa: E402
from paper import TABLE  # noqa: E402
from resampling import interval, patient_weights, seed_weights  # noqa: E402

COLOURS = {"no-mask": "#7f7f7f", "mask": "#1f77b4", "hnem": "#d62728", "hnem+fp": "#ff9d3a"}
GRID = np.geomspace(0.0625, 32, 73)


def levels(events: Sequence[Events], appended: bool) -> NDArray[np.float64]:
    """False positives an image at which a row is drawn: to where its seeds' curves end on average; what is appended, from
    where the lesions end."""
    def mean_end(hits: List[NDArray[np.bool_]]) -> float:
        return float(np.mean([(~hit).sum() / len(e.truth.names) for hit, e in zip(hits, events)]))
    end = mean_end([e.hit for e in events])
    if appended:
        return np.linspace(mean_end([e.hit[:e.first_appended] for e in events]), end, 9)
    return np.append(GRID[GRID < end], end)


def curves(events_by_truth: Dict[str, Dict[str, List[Events]]], title: str, path: Path) -> None:
    """One panel for each truth."""
    figure, axes = plt.subplots(1, len(events_by_truth), figsize=(6.2 * len(events_by_truth), 4.9), squeeze=False, sharey=True)
    for axis, (truth, rows) in zip(axes[0], events_by_truth.items()):
        for name in ("hnem+fp", "no-mask", "mask", "hnem"):
            events = rows[name]
            grid = levels(events, name == "hnem+fp")
            patients = patient_weights(int(events[0].truth.patients.max()) + 1, 300)
            values = np.stack([sampled(e, patients, grid)[0][:, :-1] for e in events])
            value, low, high = interval(np.einsum("bs,sb...->b...", seed_weights(len(events), 300), values))
            axis.plot(grid, 100 * value, "--" if name == "hnem+fp" else "-", color=COLOURS[name], lw=2, label=TABLE[name][0])
            axis.fill_between(grid, 100 * low, 100 * high, color=COLOURS[name], alpha=0.13, lw=0)
            axis.plot(grid[-1], 100 * value[-1], "o", color=COLOURS[name], ms=5)
        axis.set_xscale("log", base=2)
        axis.set_xticks([0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32], ["1/8", "1/4", "1/2", "1", "2", "4", "8", "16", "32"])
        axis.set_xlim(0.125, 32)
        axis.set_ylim(0, 100)
        axis.grid(alpha=0.25)
        axis.set_xlabel("false positives an image")
        if len(events_by_truth) > 1:
            axis.set_title(f"measured against the {truth} truth", fontsize=11)
        handles, labels = axis.get_legend_handles_labels()
        order = [labels.index(TABLE[name][0]) for name in TABLE]
        axis.legend([handles[i] for i in order], [labels[i] for i in order], loc="lower right", framealpha=0.9)
    axes[0][0].set_ylabel("sensitivity, % (box IoU > 0.5)")
    seeds = len(next(iter(next(iter(events_by_truth.values())).values())))
    figure.suptitle(f"{title}: mean of {seeds} seed{'s' * (seeds > 1)}, bands 95 %", fontsize=12)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


