#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""results.json as a picture:  plot.py FOLDER

Axes begin at zero, bars carry their values, and whatever failed or disagrees says so where its bar would be."""
from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.layout_engine import ConstrainedLayoutEngine  # noqa: E402

from engines import MAIN  # noqa: E402
from memory import TOOL  # noqa: E402
from report import caption  # noqa: E402
from samples import middle, share_of_peak, stages, times  # noqa: E402

Results = Mapping[str, Any]
SHORT = {"torchvision_channels_last": "torchvision,\nBN folded, NHWC", "torchvision": "torchvision\neager", "torch_compile": "torch.compile",
         "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "uldor": "libuldor", "openvino_cached": "OpenVINO\nIR + cache", "uldor_packed": "libuldor\npacked",
         TOOL: "uldor\ndetect"}
OURS = "#c1272d"
COLOURS = {"uldor": OURS, "openvino": "#31688e", "onnxruntime": "#5aa17f", "torch_compile": "#b59f3b",
           "torchvision_channels_last": "#9a9a9a", "torchvision": "#5f5f5f", "openvino_cached": "#7fa9c4", "uldor_packed": "#d9575c", TOOL: "#e07b7f"}
STAGE_COLOURS = [matplotlib.colormaps["tab20"](place) for place in range(20)]


def _plain(axes: Axes, title: str, y: str) -> None:
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold")
    axes.set_ylabel(y)
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)


def latency(axes: Axes, results: Results) -> None:
    """Bars of the whole; the hatched top is pasting the masks into the image."""
    rows = results["latency"]
    keys = [key for key in MAIN if any(key in row["engines"] for row in rows)]
    width = 0.86 / len(keys)
    highest = max(value for row in rows for engine in row["engines"].values() for value in [middle(times(engine)) or 1.0])
    for number, row in enumerate(rows):
        for place, key in enumerate(keys):
            engine, x = row["engines"].get(key, {}), number + (place - (len(keys) - 1) / 2) * width
            whole, bare = middle(times(engine)), middle(times(engine, False))
            if whole is None or bare is None:
                axes.text(x, 0, " failed", rotation=90, ha="center", va="bottom", fontsize=7, color=COLOURS[key])
                continue
            axes.bar(x, bare, width * 0.94, color=COLOURS[key], label=SHORT[key].replace("\n", " ") if number == 0 else None)
            axes.bar(x, whole - bare, width * 0.94, bottom=bare, color=COLOURS[key], alpha=0.55, hatch="////", edgecolor="white", linewidth=0)
            agrees = engine.get("agreement", {}).get("agrees")
            axes.text(x, whole + highest * 0.012, f"{whole:.0f}{'' if agrees else '  DISAGREES'}", rotation=90, ha="center", va="bottom",
                      fontsize=7, color="black" if agrees else "#ff0000", fontweight="bold" if key == "uldor" or not agrees else "normal")
    axes.set_xticks(range(len(rows)), [f"{row['size']} x {row['size']}\n{row['detections']} detections\n"
                                       f"{row['threads']} thread{'s' * (row['threads'] > 1)}" for row in rows], fontsize=8)
    axes.legend(fontsize=8, ncols=len(keys), frameon=False, loc="lower right", bbox_to_anchor=(1, 1.0), borderaxespad=0.1)
    _plain(axes, "Latency, tensor to masks; hatched: pasting into the image", "ms")
    axes.set_ylim(0, highest * 1.15)


def shares(axes: Axes, results: Results) -> None:
    """Arithmetic of direct convolutions a second over what the multiply-add loop gives, without pasting."""
    rows = results["latency"]
    keys = [key for key in MAIN if any(key in row["engines"] for row in rows)]
    width = 0.86 / len(keys)
    for number, row in enumerate(rows):
        for place, key in enumerate(keys):
            share = share_of_peak(row, key) or 0.0
            x = number + (place - (len(keys) - 1) / 2) * width
            axes.bar(x, share, width * 0.94, color=COLOURS[key])
            if key == "uldor":
                axes.text(x, share + 0.02, f"{share:.2f}", ha="center", va="bottom", fontsize=7, fontweight="bold")
    axes.axhline(1, color="#999999", linestyle="--", linewidth=1)
    axes.set_xticks(range(len(rows)), [f"{row['size']}\n{row['detections']} det\n{row['threads']}T" for row in rows], fontsize=7)
    _plain(axes, "Direct convolutions' arithmetic over the multiply-add peak", "")


def _bars(axes: Axes, values: Dict[str, Optional[float]], form: str, title: str, unit: str) -> None:
    highest = max((value for value in values.values() if value), default=1.0)
    for number, (key, value) in enumerate(values.items()):
        axes.barh(number, value or 0, 0.75, color=COLOURS.get(key, "#888888"))
        axes.text((value or 0) + highest * 0.01, number, format(value, form) if value else "failed", ha="left", va="center", fontsize=8,
                  fontweight="bold" if key == "uldor" else "normal")
    axes.set_yticks(range(len(values)), [SHORT.get(key, key) for key in values], fontsize=8)
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold")
    axes.set_xlabel(unit)
    axes.set_xlim(0, highest * 1.14)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)


def peaks(axes: Axes, results: Results) -> None:
    place = results["memory"][0]
    _bars(axes, {key: row.get("peak_mib") for key, row in place["engines"].items()}, ".0f",
          f"Peak resident memory: load, 3 runs of {place['size']}²", "MiB")


def cold(axes: Axes, results: Results) -> None:
    place = results["memory"][0]
    _bars(axes, {key: middle([value / 1e3 for value in times(row)]) for key, row in place["engines"].items()}, ".2f",
          "Cold start: process start to first result, warm page cache", "s")


def stage_bars(axes: Axes, results: Results) -> None:
    rows = [row for row in results["latency"] if row["engines"].get("uldor", {}).get("samples")]
    names: Dict[str, None] = {}
    for row in rows:
        names |= dict.fromkeys(stages(row["engines"]["uldor"]))
    total = max((sum(stages(row["engines"]["uldor"]).values()) for row in rows), default=0.0)
    # What takes less than half a per cent everywhere would be a legend entry without a bar.
    shown = [name for name in names if max(stages(row["engines"]["uldor"]).get(name, 0) for row in rows) > total * 0.005]
    for number, row in enumerate(reversed(rows)):
        left, found = 0.0, stages(row["engines"]["uldor"])
        for place, name in enumerate(shown):
            value = found.get(name, 0.0)
            axes.barh(number, value, left=left, color=STAGE_COLOURS[place % 20], label=name if number == 0 else None)
            if value > total * 0.03:
                axes.text(left + value / 2, number, f"{value:.0f}", ha="center", va="center", fontsize=7)
            left += value
    axes.set_yticks(range(len(rows)), [f"{row['size']}, {row['detections']} det, {row['threads']}T" for row in reversed(rows)], fontsize=8)
    _plain(axes, "libuldor's stages", "")
    axes.set_xlabel("ms")
    axes.grid(axis="y", visible=False)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    if shown:
        axes.legend(fontsize=8, ncols=len(shown), frameon=False, loc="lower right", bbox_to_anchor=(1, 1.0), borderaxespad=0.1)


def _line(axes: Axes, key: str, x: Sequence[float], y: Sequence[Optional[float]]) -> None:
    points = [(a, b) for a, b in zip(x, y) if b is not None]
    if points:
        axes.plot(*zip(*points), marker="o", markersize=4, color=COLOURS[key], label=SHORT[key].replace("\n", " "),
                  linewidth=2 if key == "uldor" else 1.3)


def sizes(axes: Axes, results: Results) -> None:
    rows = results["sizes"]
    for key in rows[0]["engines"]:
        _line(axes, key, [row["size"] for row in rows], [middle(times(row["engines"][key])) for row in rows])
    axes.set_xticks([row["size"] for row in rows])
    axes.set_xlabel("side of the input, pixels")
    _plain(axes, f"Latency over the size, 100 detections, {rows[0]['threads']} threads", "ms")
    axes.legend(fontsize=8, frameon=False)


def threads(axes: Axes, results: Results) -> None:
    """How many times faster than one thread of the same engine."""
    counts = [int(count) for count in results["threads"][0]["threads"]]
    for row in results["threads"]:
        medians = [middle(times(row["threads"][str(count)])) for count in counts]
        if medians[0]:
            _line(axes, row["engine"], counts, [medians[0] / value if value else None for value in medians])
    axes.plot(counts, counts, color="#999999", linestyle="--", linewidth=1, label="ideal")
    axes.set_xticks(counts)
    axes.set_xlabel("threads")
    _plain(axes, f"Gain by threads, {results['threads'][0]['size']} x {results['threads'][0]['size']}", "times one thread")
    axes.legend(fontsize=8, frameon=False)


def slices(axes: Axes, results: Results) -> None:
    row = results["slices"]
    marks = [count for count in (1, 2, 4, 8, 16, 32, 64) if count <= len(row["ms"])]
    axes.plot(marks, [sum(row["ms"][:count]) / 1e3 for count in marks], marker="o", markersize=4, color=OURS, linewidth=2)
    for count in [mark for mark in marks if mark * 4 >= marks[-1]]:
        axes.annotate(f"{sum(row['ms'][:count]) / count:.0f} ms each", (count, sum(row["ms"][:count]) / 1e3), fontsize=8, ha="right",
                      xytext=(-6, 4), textcoords="offset points")
    axes.set_xticks([mark for mark in marks if mark not in (2, 4)] if len(marks) > 4 else marks)
    axes.set_xlabel("slices")
    _plain(axes, f"libuldor: slices of a volume, {row['threads']} threads", "s in all")


def growth(axes: Axes, results: Results) -> None:
    found = results["growth"]
    for key, row in found["engines"].items():
        _line(axes, key, range(1, len(row["rss_mib"]) + 1), row["rss_mib"])
        if "error" in row:
            axes.annotate(f"{SHORT[key]} failed", (max(len(row["rss_mib"]), 1), (row["rss_mib"] or [0])[-1]), fontsize=8, color=COLOURS[key])
    axes.set_xlabel("sizes seen, the largest (512) first")
    _plain(axes, "Resident memory after each of many sizes, one session", "MiB")
    axes.legend(fontsize=8, frameon=False)


Panel = Tuple[str, Callable[[Axes, Results], None]]
#: Section of the results that a panel shows, and what draws it.
WIDE: List[Panel] = [("latency", latency), ("latency", stage_bars)]
SMALL: List[Panel] = [("latency", shares), ("memory", peaks), ("memory", cold), ("growth", growth), ("sizes", sizes),
                      ("threads", threads), ("slices", slices)]
COLUMNS = 3


def main() -> None:
    folder = Path(sys.argv[1])
    results = json.loads((folder / "results.json").read_text())
    wide, small = [[(name, draw) for name, draw in panels if results.get(name) and "error" not in results[name]]
                   for panels in (WIDE, SMALL)]
    lines = len(wide) + -(-len(small) // COLUMNS)
    if not lines:
        return
    figure = plt.figure(figsize=(17, 4.2 * lines + 0.8), layout=ConstrainedLayoutEngine(h_pad=0.12, w_pad=0.1))
    grid = figure.add_gridspec(lines, COLUMNS)
    for number, (_, draw) in enumerate(wide):
        draw(figure.add_subplot(grid[number, :]), results)
    for number, (_, draw) in enumerate(small):
        draw(figure.add_subplot(grid[len(wide) + number // COLUMNS, number % COLUMNS]), results)
    figure.suptitle("libuldor beside other engines: Mask R-CNN, ResNet-101-FPN, float32, same weights and input; medians", fontsize=13)
    versions = ", ".join(f"{name} {version}" for name, version in results["machine"]["versions"].items())
    figure.supxlabel("\n".join(textwrap.wrap(f"{caption(results)}; {versions}", 190)), fontsize=8, color="#444444")
    figure.savefig(folder / "plot.png", dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
