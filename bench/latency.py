# SPDX-License-Identifier: Apache-2.0
"""Latency of the whole network, engine beside engine, and whether they found the same."""
from __future__ import annotations

from typing import Any, Dict, List

import agreement
import flops
import machine
from configuration import BUILD, DETECTIONS, Configuration, reference
from engines import IN_GRAPH
from process import Process
from rounds import interleave

#: libuldor on one thread beside the engines on several: what threads gain is a ratio within a round, too.
SCALING = "uldor, 1 thread"


def _proposals(size: int) -> int:
    import numpy as np

    return int(np.load(reference(size))["proposals"])


def compare(size: int, threads: int, detections: int, keys: List[str], repeats: int) -> Dict[str, Any]:
    """One configuration: every engine in rounds."""
    configuration = Configuration(size, threads, detections, agreement.threshold(size, detections))
    entries = {key: configuration for key in keys}
    if threads > 1 and "uldor" in keys:
        entries[SCALING] = Configuration(size, 1, detections, configuration.score_threshold)

    def finish(name: str, process: Process) -> Dict[str, Any]:
        path = BUILD / "log" / "outputs.npz"
        process.ask("outputs", path=str(path))
        return {"agreement": agreement.compare(path, size, detections), "memory": process.ask("memory")}

    peak = machine.fma_peak(sorted({1, threads}))
    rows = interleave(entries, repeats, {SCALING: "uldor"}, finish)
    proposals = _proposals(size)
    return {"size": size, "threads": threads, "detections": detections, "proposals": proposals, "fma": peak,
            "gmac": flops.gmac(size, size, proposals, detections), "engines": rows}


def measure(options: Any) -> List[Dict[str, Any]]:
    found = []
    for size, detections in options.configurations:
        for threads in options.threads:
            print(f"  {size} x {size}, {detections} detections, {threads} thread{'s' * (threads > 1)}", flush=True)
            keys = list(options.engines)
            if options.variants and size == options.sizes[0] and threads == max(options.threads) and detections == DETECTIONS:
                keys += [key for key in IN_GRAPH if key.removesuffix("_paste") in options.engines]
            found.append(compare(size, threads, detections, keys, options.repeats))
    return found
