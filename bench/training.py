# SPDX-License-Identifier: Apache-2.0
"""Seconds and memory of a training step beside torchvision's: the same network, images and sizes, SGD, each in a process of its own,
in turn. torchvision freezes the stem and the first stage, as libuldor does."""
from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import Any, Dict, List

import flops
import machine
from configuration import BENCH, BUILD, DATA, ROOT
from samples import median

ENGINES = {"uldor": "libuldor", "torchvision": "torchvision"}
CASES = [("resnet101", 2), ("resnet18", 2), ("resnet101", 1)]
WARM_UP = 2


def weights_of(architecture: str) -> Any:
    """Random weights of two classes, made where they are not there yet."""
    sys.path.insert(0, str(ROOT / "tools"))
    import parity_reference

    return parity_reference.weights_of(DATA, architecture, 2)


class _Trainer:
    def __init__(self, stack: ExitStack, engine: str, *arguments: Any) -> None:
        log = stack.enter_context(open(BUILD / "log" / f"training_{engine}.txt", "wb"))
        self._process = stack.enter_context(subprocess.Popen(
            [sys.executable, "-W", "ignore", str(BENCH / "training_worker.py"), engine, *map(str, arguments)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=1))
        stack.callback(self._process.kill)

    def step(self) -> Dict[str, float]:
        assert self._process.stdin and self._process.stdout
        try:
            self._process.stdin.write("step\n")
        except BrokenPipeError:
            return {}
        line = self._process.stdout.readline()
        # libomp's threads spin for 200 ms after a region; the next trainer must not be measured beside them.
        time.sleep(0.3)
        return json.loads(line) if line else {}


def compare(architecture: str, batch: int, size: int, threads: int, repeats: int) -> Dict[str, Any]:
    weights = weights_of(architecture)
    rows: Dict[str, Any] = {key: {"ms": [], "loss": []} for key in ENGINES}
    with ExitStack() as stack:
        trainers = {key: _Trainer(stack, key, weights, size, batch, threads) for key in ENGINES}
        for number in range(WARM_UP + repeats):
            for key in list(trainers)[:: 1 if number % 2 else -1]:
                found = trainers[key].step()
                if not found:
                    rows[key]["error"] = f"ended; see log/training_{key}.txt"
                    trainers.pop(key)
                    continue
                if number >= WARM_UP:
                    rows[key]["ms"].append(found["ms"])
                    rows[key].setdefault("regions", []).append(found["regions"])
                rows[key]["loss"].append(found["loss"])
                rows[key]["peak_mib"] = found["peak_mib"]
    row = {"architecture": architecture, "batch": batch, "size": size, "threads": threads, "fma": machine.fma_peak([threads]),
           "engines": rows}
    regions = [found for found in rows["torchvision"].get("regions", []) if found]
    if regions:
        mean = {name: sum(found[name] for found in regions) / len(regions) / batch for name in ("box", "mask")}
        row["gmac"] = batch * flops.training_gmac(weights, size, size, mean["box"], mean["mask"])
    return row


def measure(options: Any) -> List[Dict[str, Any]]:
    found = []
    for architecture, batch in CASES[:1] if options.quick else CASES:
        print(f"  {architecture}, batch {batch}", flush=True)
        found.append(compare(architecture, batch, 512, max(options.threads), 3 if options.quick else options.repeats))
    return found


def ratio(row: Dict[str, Any], field: str) -> float:
    """libuldor over torchvision: medians within rounds of the step's time, or the peaks of memory."""
    ours, theirs = row["engines"]["uldor"], row["engines"]["torchvision"]
    if field == "peak_mib":
        return ours["peak_mib"] / theirs["peak_mib"]
    return median([a / b for a, b in zip(ours["ms"], theirs["ms"])])


__all__ = ["compare", "measure", "ratio", "weights_of"]
