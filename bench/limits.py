# SPDX-License-Identifier: Apache-2.0
"""The figures that libuldor must reach, and whether it did."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

import training
from configuration import REQUIRED
from latency import SCALING
from samples import cores, middle, peak, ratios, stages, times

Results = Mapping[str, Any]


@dataclass
class Judged:
    """`values` are with masks pasted into the image and with masks of 28 x 28; the worse one counts. For libuldor the second is
    its whole forward pass, which pastes and outlines all the same. `all_rounds` is the first one with the
    rounds, too, for which the machine did not give its cores."""

    what: str
    sign: str
    limit: float
    goal: float
    values: Sequence[Optional[float]]
    all_rounds: Optional[float] = None
    remark: str = ""

    @property
    def verdict(self) -> str:
        known = [value for value in self.values if value is not None]
        if not known:
            return "not measured"
        worst = max(known) if self.sign == "≤" else min(known)
        met = [worst <= bound if self.sign == "≤" else worst >= bound for bound in (self.limit, self.goal)]
        return ("goal reached" if met[1] else "met" if met[0] else "**MISSED**") + self.remark


#: Engine to (limit, goal) of the time of libuldor over its own.
LATENCY = {"openvino": (0.65, 0.5), "torchvision": (0.45, 0.33), "onnxruntime": (0.45, 0.33)}


def _latency(rows: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> Iterator[Judged]:
    for key, (limit, goal) in LATENCY.items():
        for row in rows:
            engines = row["engines"]
            if (row["size"], row["detections"]) not in REQUIRED or key not in engines or "uldor" not in engines:
                continue
            what = f"latency / {labels[key]}, {row['size']}, {row['detections']} detections, {row['threads']}T"
            bad = [name for name in ("uldor", key) if not engines[name].get("agreement", {}).get("agrees")]
            yield Judged(what, "≤", limit, goal, [middle(ratios(engines["uldor"], engines[key], pasted)) for pasted in (True, False)],
                         middle(ratios(engines["uldor"], engines[key], all_rounds=True)),
                         f" **(no result or wrong result: {', '.join(bad)})**" if bad else "")


def _scaling(rows: Sequence[Mapping[str, Any]]) -> Iterator[Judged]:
    for row in rows:
        engines = row["engines"]
        if row["threads"] == 2 and SCALING in engines and (row["size"], row["detections"]) in REQUIRED:
            yield Judged(f"2 threads over 1, {row['size']}, {row['detections']} detections", "≥", 1.8, 1.9,
                         [middle(ratios(engines[SCALING], engines["uldor"], pasted)) for pasted in (True, False)],
                         middle(ratios(engines[SCALING], engines["uldor"], all_rounds=True)),
                         f"; the machine gave {cores(engines['uldor']):.2f} cores")


def _arithmetic(rows: Sequence[Mapping[str, Any]]) -> Iterator[Judged]:
    for row in rows:
        ours = row["engines"].get("uldor", {})
        milliseconds = middle(times(ours, False))
        if milliseconds is None or (row["size"], row["detections"]) != REQUIRED[0]:
            continue
        used = ours.get("about", {}).get("instructions", "")
        for name in ("avx2", "avx512"):
            best = peak(row["fma"], name, row["threads"])
            if best:
                yield Judged(f"effective arithmetic / multiply-add peak of {name}{', the set in use' if name == used else ''}, "
                             f"{row['size']}, {row['detections']} detections, {row['threads']}T", "≥", 1.1, 1.35,
                             [None, 2 * row["gmac"]["total"] / milliseconds * 1e3 / best])


#: libuldor's stages without a convolution: preprocessing, top-k and NMS, RoIAlign, outlining and measuring.
WITHOUT_CONVOLUTIONS = ("input", "proposals", "box features", "detections", "mask features", "outlines")


def _small_stages(rows: Sequence[Mapping[str, Any]]) -> Iterator[Judged]:
    for row in rows:
        ours = row["engines"].get("uldor", {})
        whole, bare = middle(times(ours)), middle(times(ours, False))
        if whole is None or bare is None or (row["size"], row["detections"]) not in REQUIRED:
            continue
        found = stages(ours)
        shares = {name: found[name] / bare for name in WITHOUT_CONVOLUTIONS if name in found}
        shares["fetching the bitmaps"] = (whole - bare) / whole
        largest = max(shares, key=lambda name: shares[name])
        yield Judged(f"largest stage without convolutions ({largest}) / the whole, "
                     f"{row['size']}, {row['detections']} detections, {row['threads']}T", "≤", 0.02, 0.02, [shares[largest], None])


def _memory(places: Sequence[Mapping[str, Any]]) -> Iterator[Judged]:
    for place in places:
        ours, theirs = (place["engines"].get(key, {}) for key in ("uldor", "openvino"))
        if "peak_mib" in ours and "peak_mib" in theirs:
            yield Judged(f"peak memory / OpenVINO, {place['size']}", "≤", 0.65, 0.5, [None, ours["peak_mib"] / theirs["peak_mib"]])
        if ours.get("samples") and theirs.get("samples"):
            yield Judged(f"cold start / OpenVINO, {place['size']}", "≤", 0.35, 0.25, [None, middle(ratios(ours, theirs))],
                         middle(ratios(ours, theirs, all_rounds=True)))


#: Network and batch.
TRAINING = [("resnet101", 2), ("resnet18", 2)]


def _training(rows: Sequence[Mapping[str, Any]]) -> Iterator[Judged]:
    for row in rows:
        if (row["architecture"], row["batch"]) in TRAINING and not any("error" in engine for engine in row["engines"].values()):
            what = f"torchvision, {row['architecture']}, batch {row['batch']}"
            yield Judged(f"step of training / {what}", "≤", 0.6, 0.6, [None, training.ratio(row, "ms")])
            yield Judged(f"its peak memory / {what}", "≤", 0.5, 0.5, [None, training.ratio(row, "peak_mib")])


def judge(results: Results) -> List[Judged]:
    rows: Sequence[Dict[str, Any]] = results.get("latency", [])
    return [*_latency(rows, results["labels"]), *_memory(results.get("memory", [])), *_scaling(rows), *_arithmetic(rows),
            *_small_stages(rows), *_training(results.get("training", []))]
