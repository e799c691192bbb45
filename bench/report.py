#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""results.json as tables for docs/performance.md:  report.py FOLDER

Nothing is left out because it looks bad: an engine that failed is a row with its error, one that disagrees is marked."""
from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

import limits
import mining
import training
from latency import SCALING
from memory import TOOL
from samples import gflops, middle, others, peak, ratios, remark_on_cores, share_of_peak, spread, stages, times

Results = Mapping[str, Any]
#: Cores that something else may keep busy before a configuration is marked.
NOISY = 0.1


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def number(value: Optional[float], digits: int = 0) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _spread(values: Sequence[float]) -> str:
    found = spread(values)
    return "–" if found is None else f"± {100 * found:.0f} %"


def label(results: Results, key: str) -> str:
    extra = {SCALING: "libuldor, 1 thread", TOOL: "`uldor detect`, the tool, PNG to table"}
    return extra.get(key) or results["labels"][key]


def agreement(row: Mapping[str, Any]) -> str:
    found = row.get("agreement")
    if not found:
        return "–"
    text = f"{found['box_px']:.0e} px, {found['score']:.0e}"
    if found["unmatched"]:
        text += f", {found['unmatched']} unmatched"
    return text if found["agrees"] else f"**DISAGREES: {text}, {found['detections']} of {found['expected']} found**"


def latency(results: Results) -> str:
    parts: List[str] = []
    for row in results["latency"]:
        engines, total = row["engines"], row["gmac"]["total"]
        lines = []
        for key, engine in engines.items():
            if "error" in engine:
                lines.append([label(results, key), f"failed: {engine['error']}", *["–"] * 7])
                continue
            bare = middle(times(engine, False))
            ours = [middle(ratios(engines["uldor"], engine, pasted)) if engines.get("uldor", {}).get("samples") else None
                    for pasted in (True, False)]
            lines.append([label(results, key), number(middle(times(engine))), _spread(times(engine)), number(bare),
                          *(number(ratio, 2) if key not in ("uldor", SCALING) else "–" for ratio in ours),
                          number(gflops(row, key)), number(share_of_peak(row, key), 2), agreement(engine)])
        noise = others(engines)
        loud = f" **The machine was busy with something else: {noise:.2f} cores.**" if noise > NOISY else ""
        fma = ", ".join(f"{name} {number(rate)}" for name in ("avx2", "avx512") if (rate := peak(row["fma"], name, row["threads"])))
        parts.append(f"### {row['size']} x {row['size']}, {row['detections']} detections, {row['threads']} thread{'s' * (row['threads'] > 1)}\n\n"
                     f"{total:.1f} GMAC, {row['proposals']} proposals; multiply-add loop in the same minute, GFLOP/s: {fma}.{remark_on_cores(engines)}{loud}\n\n"
                     + table(["engine", "ms", "spread", "ms, masks 28 x 28", "libuldor / engine", "masks 28 x 28",
                              "GFLOP/s", "of the multiply-add loop's", "largest difference: box, score"], lines))
    return "\n".join(parts)


def requirements(results: Results) -> str:
    """The figures that must hold, by the worse of the two ways to count the masks."""
    lines = [[row.what, f"{row.sign} {row.limit}", f"{row.goal}", *(number(value, 2) for value in (*row.values, row.all_rounds)), row.verdict]
             for row in limits.judge(results)]
    return table(["figure", "limit", "goal", "masks in the image", "masks 28 x 28", "all rounds", "verdict"], lines)


def memory(results: Results) -> str:
    sizes = results["memory"]
    lines = []
    for key in sizes[0]["engines"]:
        cells = [label(results, key)]
        for place in sizes:
            row = place["engines"].get(key, {})
            cells.append(f"failed: {row['error']}" if "error" in row else number(row.get("peak_mib")))
        cold = times(sizes[0]["engines"][key])
        lines.append([*cells, number(middle(cold) / 1e3 if cold else None, 2), f"{len(cold)}"])
    return table(["engine", *(f"peak MiB, {place['size']}" for place in sizes), f"cold start s, {sizes[0]['size']}", "starts"], lines)


def stage_times(results: Results) -> str:
    rows = [row for row in results["latency"] if row["engines"].get("uldor", {}).get("samples")]
    names: Dict[str, None] = {}
    for row in rows:
        names |= dict.fromkeys(stages(row["engines"]["uldor"]))
    columns = [stages(row["engines"]["uldor"]) for row in rows]
    heads = [f"{row['size']}, {row['detections']} det, {row['threads']}T" for row in rows]
    return table(["stage, ms", *heads], [[name, *(number(column.get(name), 1) for column in columns)] for name in names])


def sizes(results: Results) -> str:
    keys = list(results["sizes"][0]["engines"])
    return table(["side", *(f"{label(results, key)} ms" for key in keys)],
                 [[str(row["size"]), *(row["engines"][key].get("error") or number(middle(times(row["engines"][key]))) for key in keys)]
                  for row in results["sizes"]])


def threads(results: Results) -> str:
    counts = list(results["threads"][0]["threads"])
    return table(["engine", *(f"{count} thread{'s' * (count != '1')}, ms" for count in counts)],
                 [[label(results, row["engine"]), *(row["threads"][count].get("error") or number(middle(times(row["threads"][count])))
                                                    for count in counts)] for row in results["threads"]])


def slices(results: Results) -> str:
    row = results["slices"]
    if "error" in row:
        return f"failed: {row['error']}\n"
    marks = [count for count in (1, 2, 4, 8, 16, 32, 64) if count <= len(row["ms"])]
    return table(["slices", *map(str, marks)], [["seconds", *(number(sum(row["ms"][:count]) / 1e3, 2) for count in marks)],
                                                ["ms a slice", *(number(sum(row["ms"][:count]) / count) for count in marks)]])


def parts(results: Results) -> str:
    lines = []
    for row in results["parts"]:
        what = f"{row['size']} x {row['size']}, {row['threads']}T"
        if "error" in row:
            lines.append([what, f"failed: {row['error']}", *["–"] * 3])
            continue
        whole, planned, prepared = (median(row[key]) for key in ("pass_ms", "plan_ms", "prepare_ms"))
        lines.append([what, f"{planned * 1e3:.0f}", f"{100 * planned / whole:.3f} %", number(prepared, 1), f"{100 * prepared / whole:.1f} %"])
    return table(["network's input", "planning a pass, µs", "of the pass", "twice the input of a 512 x 512 slice, ms", "of the pass"], lines)


def growth(results: Results) -> str:
    found = results["growth"]
    lines = []
    for key, row in found["engines"].items():
        rss = row["rss_mib"]
        lines.append([label(results, key), f"failed after {len(rss)} sizes: {row['error']}", *["–"] * 3] if "error" in row else
                     [label(results, key), number(rss[0]), number(rss[-1]), f"{rss[-1] - rss[0]:+.0f}", number(row["peak_mib"][-1])])
    return table(["engine", "RSS MiB after the largest", f"after {len(found['sizes'])} sizes", "growth", "peak MiB"], lines)


def train(results: Results) -> str:
    lines = []
    for row in results["training"]:
        what = f"{row['architecture']}-FPN, {row['size']} x {row['size']}, batch {row['batch']}, {row['threads']} threads"
        cells = []
        for engine in row["engines"].values():
            cells += [f"failed: {engine['error']}", "–"] if "error" in engine else [
                number(middle(engine["ms"]) / 1e3, 2), number(engine["peak_mib"])]
        whole = not any("error" in engine for engine in row["engines"].values())
        best = max((rate for name in ("avx2", "avx512") if (rate := peak(row["fma"], name, row["threads"]))), default=None)
        shares = []
        for engine in row["engines"].values():
            known = whole and best and "gmac" in row
            shares.append(number(2 * row["gmac"] / middle(engine["ms"]) * 1e3 / best, 2) if known else "–")
        lines.append([what, *cells, *(number(training.ratio(row, field), 2) if whole else "–" for field in ("ms", "peak_mib")), *shares])
    return table(["step of SGD", "libuldor s", "peak MiB", "torchvision s", "peak MiB", "time, libuldor / torchvision", "memory",
                  "effective / peak, libuldor", "torchvision"], lines)


def mine(results: Results) -> str:
    lines = []
    for row in results["mining"]:
        what = f"{row['architecture']}-FPN, {row['size']} x {row['size']}, {row['threads']} threads"
        lines.append([what, f"failed: {row['error']}", *["–"] * 3] if "error" in row else [
            what, number(mining.rate(row, "mine"), 2), number(mining.rate(row, "detect"), 2), number(mining.ratio(row), 2),
            f"{100 * mining.share(row):.0f} %"])
    return table(["mining", "images/s", "read and detected one by one, images/s", "ratio", "part of an epoch with mining"], lines)


PARTS: Dict[str, tuple[str, str, Callable[[Results], str]]] = {
    "latency": ("Latency", "latency", latency), "memory": ("Memory and cold start", "memory", memory),
    "growth": ("Memory after many sizes", "growth", growth), "parts": ("Around a pass", "parts", parts), "stages": ("libuldor's stages", "latency", stage_times),
    "sizes": ("Latency over the size", "sizes", sizes), "threads": ("Latency over threads", "threads", threads),
    "slices": ("Slices of a volume", "slices", slices), "training": ("Training", "training", train),
    "mining": ("Mining", "mining", mine)}


def caption(results: Results) -> str:
    machine = results["machine"]
    sets = ", ".join(flag for flag, there in machine["flags"].items() if there)
    return (f"{machine['cpu']} (family {machine['family']}, model {machine['model']}; {sets}), {machine['cores']} cores"
            f"{', virtual' if machine['hypervisor'] else ''}, {machine['memory_gib']:.0f} GiB; {machine['date']}, commit {machine['commit']}")


def main() -> None:
    folder = Path(sys.argv[1])
    results = json.loads((folder / "results.json").read_text())
    versions = ", ".join(f"{name} {version}" for name, version in results["machine"]["versions"].items())
    text = [f"{caption(results)}; {versions}. Medians.\n"]
    if limits.judge(results):
        text.append("## Required\n\n" + requirements(results))
    text += [f"## {title}\n\n{part(results)}" for title, section, part in PARTS.values() if results.get(section)]
    (folder / "table.md").write_text("\n".join(text))
    print("\n".join(text[:2]))


if __name__ == "__main__":
    main()
