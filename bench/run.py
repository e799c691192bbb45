#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""libuldor and the engines that a user would pick instead, on the same weights and input, in the same run.

    run.py                                               everything, into build/bench
    run.py --quick                                       a glance
    run.py --required                                    latency and memory where they have a limit, with more rounds
    run.py --only latency --engines uldor,openvino --sizes 512 --threads 2 --repeats 9

Writes results.json (every sample), table.md and plot.png.
"""
from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence

import curves
import latency
import limits
import machine
import memory
import mining
import parts
import training
from configuration import ANY_SIZE, BENCH, BUILD, DETECTIONS, REQUIRED
from engines import ENGINES, MAIN

SECTIONS: Dict[str, Callable[[Any], Any]] = {
    "latency": latency.measure, "memory": memory.measure, "growth": memory.growth, "parts": parts.measure, "sizes": curves.over_sizes,
    "threads": curves.over_threads, "slices": curves.over_slices, "training": training.measure,
    "mining": mining.measure}


def _words(text: str) -> List[str]:
    return [word for word in text.split(",") if word]


def _numbers(text: str) -> List[int]:
    return [int(word) for word in _words(text)]


def _thread_counts(cores: int) -> List[int]:
    """1, 2, 4 ... and all of them."""
    return sorted({1 << power for power in range(cores.bit_length()) if 1 << power <= cores} | {cores})


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    cores = len(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=_words, help=f"of {','.join(SECTIONS)}")
    parser.add_argument("--engines", type=_words, default=MAIN, help=f"of {','.join(MAIN)}")
    parser.add_argument("--sizes", type=_numbers, help="sides of the input, multiples of 32; default 512,800")
    parser.add_argument("--threads", type=_numbers, help="default 1,2; the sections that take one number take the largest")
    parser.add_argument("--detections", type=_numbers, help="of 100,5")
    parser.add_argument("--repeats", type=int, help="runs of each engine in each configuration; default 7")
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--required", action="store_true",
                        help="latency and memory, of the engines and configurations that the limits are for, 9 repeats")
    extent.add_argument("--quick", action="store_true", help="fewer configurations, 3 repeats, short curves; no torch.compile")
    parser.add_argument("--output", type=Path, default=BUILD)
    options = parser.parse_args(arguments)
    quick: bool = options.quick
    if options.required:
        options.only = options.only or ["latency", "memory"]
        options.engines = ["uldor", *limits.LATENCY] if options.engines == MAIN else options.engines
        options.repeats = options.repeats or 9
    options.only = options.only or [name for name in SECTIONS if not (quick and name == "threads")]
    for name, known in (("only", SECTIONS), ("engines", MAIN)):
        if unknown := set(getattr(options, name)) - set(known):
            parser.error(f"--{name}: {', '.join(unknown)}: not one of {', '.join(known)}")
    if quick and options.engines == MAIN:
        options.engines = [key for key in MAIN if key != "torch_compile"]
    options.sizes = options.sizes or ([512] if quick else [512, 800])
    options.threads = options.threads or ([min(2, cores)] if quick else sorted({1, min(2, cores)}))
    options.detections = options.detections or [100, 5]
    options.configurations = [(size, count) for size in options.sizes for count in options.detections
                              if not options.required or (size, count) in REQUIRED]
    # Pasting in the graph, packed weights, a model cache, the tool.
    options.variants = not options.required
    options.repeats = options.repeats or (3 if quick else 7)
    if any(size % 32 or size < 32 for size in options.sizes) or not set(options.detections) <= {100, 5}:
        parser.error("sizes are multiples of 32, detections 100 or 5")
    options.starts = 2 if quick else 7
    options.curve_sizes = [256, 512, 768] if quick else [256, 384, 512, 640, 768, 896, 1024]
    options.curve_threads = _thread_counts(cores)
    options.curve_repeats = 2 if quick else 7
    options.slices = 4 if quick else 64
    options.growth_sizes = growth_sizes(6 if quick else 20)
    return options


def growth_sizes(count: int) -> List[int]:
    """The largest first, then others in a fixed disorder; most are no multiples of 32."""
    rest = [504 - 16 * number for number in range(count - 1)]
    random.Random(0).shuffle(rest)
    return [512, *rest]


def plan(options: argparse.Namespace) -> Dict[str, Any]:
    """The files that the chosen sections read."""
    sections, compared = set(options.only), set(options.only) & {"latency", "memory", "threads"}
    references = sorted({512, *(options.sizes if compared else [])})
    pairs = {*options.configurations, *((size, DETECTIONS) for size in options.sizes)} if compared else ()
    graphs = [(size, count, False) for size, count in sorted(pairs, reverse=True)]
    inputs = [512]
    intermediates = []
    if "latency" in sections and options.variants:
        graphs.append((options.sizes[0], DETECTIONS, True))
    if "memory" in sections:
        intermediates.append((options.sizes[0], DETECTIONS))
    if "growth" in sections:
        inputs += options.growth_sizes
        graphs.append((ANY_SIZE, DETECTIONS, False))
    if "sizes" in sections:
        inputs += options.curve_sizes
        graphs += [(size, DETECTIONS, False) for size in options.curve_sizes]
    return {"references": references, "inputs": inputs, "graphs": graphs, "intermediates": intermediates,
            "volume": bool(sections & {"slices", "parts"}), "slice": "memory" in sections}


def main() -> int:
    options = parse(sys.argv[1:])
    options.output.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    print("files", flush=True)
    subprocess.run([sys.executable, "-W", "ignore", str(BENCH / "prepare.py"), json.dumps(plan(options))], check=False)
    results: Dict[str, Any] = {
        "machine": machine.describe(), "labels": {key: entry.label for key, entry in ENGINES.items()},
        "options": {name: value for name, value in vars(options).items() if name != "output"}, "seconds": {}}
    for name in (name for name in SECTIONS if name in options.only):
        print(name, flush=True)
        section = time.monotonic()
        results[name] = SECTIONS[name](options)
        results["seconds"][name] = round(time.monotonic() - section)
        # Kept after each section: a run that is interrupted has shown something.
        (options.output / "results.json").write_text(json.dumps(results, indent=1))
    print(f"measured in {time.monotonic() - begin:.0f} s", flush=True)
    # What did not succeed is in the tables: they come even if the picture does not.
    for script in ("report.py", "plot.py"):
        subprocess.run([sys.executable, str(BENCH / script), str(options.output)], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
