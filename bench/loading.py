#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What packed weights save: seconds to load a model (and with --slices to its first findings), and memory of processes side by side. The page cache is
warm. Ways are measured in turn, so that what else the machine does falls on all of them: ratios are what to read.

    python bench/loading.py W.safetensors [--rounds 9] [--processes 2] [--slices]

Needs numpy and the built library; tools/make_weights.py makes weights."""
from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Dict, List, Optional, Tuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "examples" / "python" / "src"))

import numpy  # noqa: E402

import uldor  # noqa: E402

SIDE = 512
#: Keeps a model, says so, and ends with its standard input.
KEEP = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy, uldor
model = uldor.Model(sys.argv[2], memory_map=sys.argv[3] == "1")
print(flush=True)
sys.stdin.read()
"""


def once(path: Path, mapped: bool, slice_: Optional[numpy.ndarray]) -> Tuple[float, ...]:
    """Seconds to load and, where there is one, for the slice and for the same once more."""
    begin = time.perf_counter()
    with uldor.Model(path, memory_map=mapped) as model:
        loaded = time.perf_counter()
        if slice_ is None:
            return (loaded - begin,)
        with model.session(resampling=False, body_crop=False) as session:
            marks = []
            for _ in range(2):
                session.detect(slice_, spacing=0.8).close()
                marks.append(time.perf_counter())
    return loaded - begin, marks[0] - loaded, marks[1] - marks[0]


def memory(path: Path, mapped: bool, count: int) -> Dict[str, float]:
    """MB of `count` processes that hold the model, a process, and what of it is shared out among those that map it (Pss)."""
    children = [subprocess.Popen([sys.executable, "-c", KEEP, sys.path[0], str(path), str(int(mapped))], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE) for _ in range(count)]
    try:
        for child in children:
            assert child.stdout is not None and child.stdout.readline(), "a process could not load the model"
        sums = {"Rss": 0.0, "Pss": 0.0}
        for child in children:
            for line in Path(f"/proc/{child.pid}/smaps_rollup").read_text().splitlines():
                name = line.split(":")[0]
                if name in sums:
                    sums[name] += int(line.split()[1]) * 1024 / 1e6 / count
    finally:
        for child in children:
            child.communicate()
    return sums


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--slices", action="store_true", help="look at a slice twice, too")
    options = parser.parse_args()
    slice_ = None
    if options.slices:
        slice_ = numpy.random.default_rng(0).normal(0, 300, (SIDE, SIDE)).astype(numpy.int16)
    with tempfile.TemporaryDirectory(dir=options.weights.parent) as folder:
        packed = Path(folder) / "packed"
        begin = time.perf_counter()
        with uldor.Model(options.weights) as model:
            model.save_packed(packed)
        print(f"{options.weights.stat().st_size / 1e6:.0f} MB packed and flushed to the disk in {time.perf_counter() - begin:.1f} s\n")
        ways = {"safetensors": (options.weights, False), "safetensors, mapped": (options.weights, True),
                "packed": (packed, False), "packed, mapped": (packed, True)}
        times: Dict[str, List[Tuple[float, ...]]] = {way: [] for way in ways}
        for _ in range(options.rounds):
            for way, (path, mapped) in ways.items():
                times[way].append(once(path, mapped, slice_))
        slices = ["first slice, ms", "second slice, ms", "load + first, of safetensors"] if options.slices else []
        heads = ["weights", "load, ms", "of safetensors", *slices, f"Rss of each of {options.processes} processes, MB", "Pss, MB"]
        print("|", " | ".join(heads), "|\n|" + "---|" * len(heads))
        medians = {way: [statistics.median(column) for column in zip(*rows)] for way, rows in times.items()}
        base = medians["safetensors"]
        for way, (path, mapped) in ways.items():
            row = medians[way]
            cells = [way, f"{1e3 * row[0]:.0f}", f"{row[0] / base[0]:.2f}"]
            if options.slices:
                cells += [f"{1e3 * row[1]:.0f}", f"{1e3 * row[2]:.0f}", f"{(row[0] + row[1]) / (base[0] + base[1]):.2f}"]
            used = memory(path, mapped, options.processes)
            print("|", " | ".join([*cells, f"{used['Rss']:.0f}", f"{used['Pss']:.0f}"]), "|", flush=True)


if __name__ == "__main__":
    main()
