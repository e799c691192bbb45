#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One engine in one configuration, in a process of its own that lives as long as the comparison.

    worker.py ENGINE CONFIGURATION

Requests come as lines of JSON on standard input, answers go as such to standard output; while it waits it is blocked in a read.
What the engine itself prints goes to standard error. Nothing is imported before the engine but what all of them need: the
time from the start of this process to its first result is a figure of the benchmark.
"""
from __future__ import annotations

import json
import os
import sys
import time
import traceback
from typing import Any, Dict

import numpy as np

import engines
from configuration import Configuration, tensor


def memory() -> Dict[str, float]:
    """Resident memory of this process in MiB: now, and at its highest. From the kernel's own counters."""
    with open("/proc/self/status", encoding="ascii") as file:
        fields = dict(line.split(":", 1) for line in file)
    return {name: int(fields[key].split()[0]) / 1024 for name, key in (("rss", "VmRSS"), ("peak", "VmHWM"))}


class Worker:
    def __init__(self, key: str, configuration: Configuration) -> None:
        self._configuration = configuration
        self._tensors: Dict[int, np.ndarray] = {}
        self._output: Any = None
        self.engine = engines.create(key, configuration)

    def _tensor(self, size: int) -> np.ndarray:
        if size not in self._tensors:
            # Kept alone: the memory of an engine is measured with many sizes.
            self._tensors = {size: np.load(tensor(size))}
        return self._tensors[size]

    def run(self, size: int = 0) -> Dict[str, Any]:
        """One timed pass. `finished` is on a clock that the driver shares."""
        input_ = self._tensor(size or self._configuration.size)
        self._output = None
        begin = time.perf_counter()
        self._output, parts = self.engine.run(input_)
        milliseconds = (time.perf_counter() - begin) * 1e3
        found = {"ms": milliseconds, "finished": time.monotonic(), **{f"{name}_ms": value for name, value in parts.items()}}
        return found | ({"stages": self.engine.stages()} if hasattr(self.engine, "stages") else {})

    def outputs(self, path: str) -> Dict[str, Any]:
        np.savez(path, **self.engine.arrays(self._output))
        return {}

    def memory(self) -> Dict[str, Any]:
        return memory()

    def about(self) -> Dict[str, Any]:
        return self.engine.about()

    def volume(self, path: str, slices: int) -> Dict[str, Any]:
        """Successive slices of a volume: milliseconds and detections of each."""
        pixels, times, counts = np.load(path), [], []
        for key in range(slices):
            begin = time.perf_counter()
            counts.append(self.engine.detect(pixels, key))
            times.append((time.perf_counter() - begin) * 1e3)
        return {"ms": times, "detections": counts}

    def parts(self, path: str, repeats: int) -> Dict[str, Any]:
        """Milliseconds of what surrounds a pass."""
        return self.engine.parts(self._configuration.size, np.load(path, mmap_mode="r")[:9].copy(), repeats)


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(found: Dict[str, Any]) -> None:
        answers.write(json.dumps(found) + "\n")
        answers.flush()

    try:
        begin = time.perf_counter()
        worker = Worker(sys.argv[1], Configuration.parse(sys.argv[2]))
        answer({"load_s": time.perf_counter() - begin})
        for line in sys.stdin:
            request = json.loads(line)
            answer(getattr(worker, request.pop("do"))(**request))
    except BaseException as error:
        traceback.print_exc()
        answer({"error": f"{type(error).__name__}: {error}"})
        sys.exit(1)


if __name__ == "__main__":
    main()
