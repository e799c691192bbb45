# SPDX-License-Identifier: Apache-2.0
"""Images a second of mining beside reading and detecting on the same images one by one, and the part of an epoch that it takes. One
process, what is compared in turn."""
from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any, Dict, List

from configuration import BENCH, BUILD
from samples import median
from training import weights_of

ARCHITECTURES = ["resnet101", "resnet18"]
WARM_UP = 1


def compare(architecture: str, size: int, threads: int, repeats: int) -> Dict[str, Any]:
    weights = weights_of(architecture)
    found: Dict[str, Any] = {"architecture": architecture, "size": size, "threads": threads, "mine": [], "detect": [], "epoch": []}
    (BUILD / "log").mkdir(parents=True, exist_ok=True)
    with open(BUILD / "log" / f"mining_{architecture}.txt", "wb") as log, subprocess.Popen(
            [sys.executable, "-W", "ignore", str(BENCH / "mining_worker.py"), str(weights), str(size), str(threads)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=1) as process:
        assert process.stdin and process.stdout
        for number in range(WARM_UP + repeats):
            # Each is first in one round and last in another.
            for what in ("mine", "detect", "epoch")[:: 1 if number % 2 else -1]:
                try:
                    process.stdin.write(f"{what}\n")
                    answer = json.loads(process.stdout.readline())
                except (BrokenPipeError, ValueError):
                    return found | {"error": f"ended; see log/mining_{architecture}.txt"}
                if number >= WARM_UP:
                    found[what].append(answer)
                # libomp's threads spin for 200 ms after a region.
                time.sleep(0.3)
    return found


def measure(options: Any) -> List[Dict[str, Any]]:
    found = []
    for architecture in ARCHITECTURES[-1:] if options.quick else ARCHITECTURES:
        print(f"  {architecture}", flush=True)
        found.append(compare(architecture, 512, max(options.threads), options.repeats))
    return found


def rate(row: Dict[str, Any], what: str) -> float:
    """Images a second, the median."""
    return median([sample["images"] / sample["seconds"] for sample in row[what]])


def ratio(row: Dict[str, Any]) -> float:
    """Mining's rate over that of detecting one by one; the median within rounds."""
    return median([theirs["seconds"] / ours["seconds"] for ours, theirs in zip(row["mine"], row["detect"])])


def share(row: Dict[str, Any]) -> float:
    """The part of an epoch's time that mining takes."""
    return median([sample["mining"] / sample["seconds"] for sample in row["epoch"]])
