# SPDX-License-Identifier: Apache-2.0
"""What it was measured on, and what that machine's arithmetic can do."""
from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import datetime, timezone
from importlib import metadata
from typing import Any, Dict, List, Sequence

from configuration import BENCH, BUILD, ROOT

PACKAGES = ("torch", "torchvision", "onnx", "onnxruntime", "openvino", "numpy")
FLAGS = ("avx2", "fma", "avx512f", "avx512_vnni", "amx_tile")


def _cpu() -> Dict[str, str]:
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        lines = [line.partition(":") for line in file.read().split("\n\n")[0].splitlines()]
    return {name.strip(): value.strip() for name, _, value in lines}


def _memory_gib() -> float:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2 ** 30


def _commit() -> str:
    try:
        run = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return run.stdout.strip()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def describe() -> Dict[str, Any]:
    cpu = _cpu()
    flags = set(cpu.get("flags", "").split())
    return {
        "cpu": cpu.get("model name", "unknown"), "family": cpu.get("cpu family", ""), "model": cpu.get("model", ""),
        "cores": len(os.sched_getaffinity(0)), "flags": {flag: flag in flags for flag in FLAGS}, "hypervisor": "hypervisor" in flags,
        "memory_gib": round(_memory_gib(), 1), "system": f"{platform.system()} {platform.release()}",
        "python": sys.version.split()[0], "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"), "commit": _commit(),
        "versions": {package: _version(package) for package in PACKAGES}}


def _loop(*arguments: str) -> List[Dict[str, Any]]:
    program, source = BUILD / "fma_peak", BENCH / "fma_peak.c"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["cc", "-O2", "-pthread", str(source), "-o", str(program)], check=True)
    run = subprocess.run([str(program), *arguments], check=True, capture_output=True, text=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


def fma_peak(threads: Sequence[int]) -> List[Dict[str, Any]]:
    """Multiply-adds in registers, measured now: for each instruction set and number of threads."""
    return _loop(*map(str, threads))


def cores(threads: int) -> float:
    """How many cores the machine gives to so many threads just now: the rate of the multiply-add loop over its rate on one
    thread. Where other guests of the machine have them, nothing gains from the second."""
    if threads == 1:
        return 1.0
    alone, together = (_loop("-r", "9", str(count))[0] for count in (1, threads))
    return float(round(together["median_gflops"] / alone["best_gflops"], 2))
