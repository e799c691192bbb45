# SPDX-License-Identifier: Apache-2.0
"""Peak memory and cold start, each in a process of its own: what a host pays that loads a model and looks at a few slices."""
from __future__ import annotations

import os
import subprocess
import time
from typing import Any, Callable, Dict, List

from configuration import ROOT, Configuration, slice_png, weights
from process import EngineError, Process
from rounds import PATIENCE, Watch, enough, first_words

#: Runs of the process whose peak is taken: memory plans settle in the second run of some engines.
RUNS = 3
#: After this many seconds of starts an engine gets no more of them; torch.compile's take long.
BUDGET = 150.0
TOOL = "uldor_tool"


def _configuration(key: str, size: int, threads: int) -> Configuration:
    # The graphs of ONNX Runtime and OpenVINO end with 28 x 28 masks; pasting them would load torch for that alone.
    return Configuration(size, threads, paste=not key.startswith(("onnxruntime", "openvino")))


def _peak(key: str, configuration: Configuration) -> Dict[str, Any]:
    with Process(key, configuration) as process:
        for _ in range(RUNS):
            process.run()
        found = process.ask("memory")
    return {"peak_mib": found["peak"], "rss_mib": found["rss"]}


def _cold(key: str, configuration: Configuration) -> float:
    """Milliseconds from the start of the process to its first result."""
    with Process(key, configuration, cold=True) as process:
        return 1e3 * (float(process.first["finished"]) - process.started)


def _tool(threads: int) -> Dict[str, float]:
    """The command-line tool on a slice of 512 x 512: from start to exit, and its peak as the kernel accounts it at exit. It reads
    a PNG and prints its findings, too."""
    begin = time.monotonic()
    process = subprocess.Popen(
        [str(ROOT / "build" / "bin" / "uldor"), "detect", "--weights", str(weights()), "--no-resampling", "--no-body-crop",
         "--threads", str(threads), "--quiet", str(slice_png())], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise EngineError(f"uldor detect ended with status {process.returncode}")
    return {"ms": 1e3 * (time.monotonic() - begin), "peak_mib": usage.ru_maxrss / 1024}


def _measure_tool(threads: int, repeats: int) -> Dict[str, Any]:
    try:
        _tool(threads)
        runs = [_tool(threads) for _ in range(repeats)]
    except (EngineError, OSError) as error:
        return {"error": first_words(error)}
    return {"samples": runs, "peak_mib": max(run["peak_mib"] for run in runs)}


def _starts(rows: Dict[str, Dict[str, Any]], cold: Callable[[str], float], threads: int, repeats: int) -> None:
    """Starts in rounds, as rounds.interleave has passes."""
    watch = Watch(threads)
    for number in range(PATIENCE * repeats):
        waiting = [key for key, row in rows.items() if "error" not in row and sum(sample["ms"] for sample in row["samples"]) < 1e3 * BUDGET]
        if enough(rows, waiting, repeats):
            return
        for key in waiting:
            try:
                rows[key]["samples"].append(watch.run(lambda: {"round": number, "ms": cold(key), "paste_ms": 0.0}))
            except EngineError as error:
                rows[key] |= {"error": first_words(error), "whole_error": str(error)}


def at(size: int, threads: int, keys: List[str], repeats: int, tool: bool) -> Dict[str, Any]:
    """The first process of an engine gives its peak, and warms the page cache for the `repeats` that are timed."""
    rows: Dict[str, Dict[str, Any]] = {}
    for key in keys:
        try:
            rows[key] = _peak(key, _configuration(key, size, threads)) | {"samples": []}
        except EngineError as error:
            rows[key] = {"error": first_words(error), "whole_error": str(error)}
    _starts(rows, lambda key: _cold(key, _configuration(key, size, threads)), threads, repeats)
    if tool:
        rows[TOOL] = _measure_tool(threads, repeats)
    return {"size": size, "threads": threads, "engines": rows}


def measure(options: Any) -> List[Dict[str, Any]]:
    """Cold start at the first size only; the larger ones show memory."""
    found = []
    for size in options.sizes:
        print(f"  {size} x {size}", flush=True)
        first = size == options.sizes[0]
        variants = first and options.variants
        cached = {"uldor": "uldor_packed", "openvino": "openvino_cached"}
        keys = list(options.engines) + [cached[key] for key in options.engines if variants and key in cached]
        found.append(at(size, max(options.threads), keys, options.starts if first else 0, variants and "uldor" in options.engines))
    return found


def growth(options: Any) -> Dict[str, Any]:
    """Resident memory after each of many sizes in one session, the largest first: what grows from then on grows with the number
    of sizes, not with their size. Graphs are exported with free height and width for this."""
    rows: Dict[str, Any] = {}
    for key in (key for key in ("uldor", "openvino", "onnxruntime", "torchvision") if key in options.engines):
        print(f"  {key}", flush=True)
        configuration = _configuration(key, 0, max(options.threads))
        row: Dict[str, Any] = {"rss_mib": [], "peak_mib": [], "ms": []}
        try:
            with Process(key, configuration) as process:
                for size in options.growth_sizes:
                    row["ms"].append(process.run(size)["ms"])
                    now = process.ask("memory")
                    row["rss_mib"].append(now["rss"])
                    row["peak_mib"].append(now["peak"])
        except EngineError as error:
            row |= {"error": first_words(error), "whole_error": str(error)}
        rows[key] = row
    return {"sizes": options.growth_sizes, "threads": max(options.threads), "engines": rows}
