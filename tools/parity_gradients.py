#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Losses, gradients and ten steps of SGD beside torchvision's, at full size. Needs torch (make parity installs it).

A parameter's gradient may be as far from torchvision's in float64 as twice torchvision's own in float32 is, by the farthest of its ways to convolve."""
from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Dict, List, Tuple

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "examples" / "python" / "src"))
LOSS_LIMIT, UPDATE_LIMIT = 1e-5, 1e-2
Arrays = Dict[str, np.ndarray]


def norm(array: np.ndarray) -> float:
    return float(np.sqrt((array.astype(np.float64) ** 2).sum()))


def parameter_ratios(ours: Arrays, single: List[Arrays], double: Arrays) -> List[Tuple[float, str]]:
    """For each parameter |ours - fp64| / (2 |torch fp32 - fp64| + 1e-6 |fp64|): at most 1 is asked for. Worst first."""
    ratios = []
    for name, exact in double.items():
        if name == "losses":
            continue
        allowed = 2 * max(norm(own[name] - exact) for own in single) + 1e-6 * norm(exact)
        distance = norm(ours[name] - exact)
        ratios.append((distance / allowed if allowed else float(distance > 0), name))
    return sorted(ratios, reverse=True)


def loss_error(ours: Arrays, double: Arrays) -> float:
    return float(np.max(np.abs(ours["losses"] - double["losses"]) / np.maximum(np.abs(double["losses"]), 1e-12)))


def update_error(ours: Arrays, theirs: Arrays, before: Arrays) -> float:
    """|update_ours - update_torch| / |update_torch| over all parameters together."""
    names = [name for name in theirs if name != "losses"]
    difference = sum(norm(ours[n] - theirs[n]) ** 2 for n in names) ** 0.5
    return difference / sum(norm(theirs[n] - before[n]) ** 2 for n in names) ** 0.5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", nargs="+", default=["resnet18", "resnet50", "resnet101"])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--convolutions", nargs="+", default=["fast", "exact"], choices=["fast", "exact"])
    parser.add_argument("--scratch", type=Path, default=ROOT / "build" / "parity")
    arguments = parser.parse_args()
    import torch
    import torchvision_training as reference
    import uldor
    import uldor_weights
    from parity_reference import weights_of

    failures = 0
    print("| network | convolutions | losses | worst parameter | of them | after steps |\n|---|---|---|---|---|---|")
    for arch in arguments.arch:
        weights = weights_of(arguments.scratch, arch, 2, 0)
        batch = reference.draw(weights, reference.random_batch(
            arguments.batch, arguments.size, arguments.size, 3, [2, 0, 3], 2, 7), 1)
        single = reference.single_precision(weights, batch)
        double = reference.gradients(weights, batch, torch.float64)
        stepped = reference.gradients(weights, batch, torch.float32, steps=arguments.steps)
        before, _ = uldor_weights.load(weights)
        for convolutions in arguments.convolutions:
            exact = convolutions == "exact"
            ours = uldor.run_gradients(weights, batch, exact=exact)
            worst = parameter_ratios(ours, single, double)
            losses = loss_error(ours, double)
            update = update_error(uldor.run_gradients(weights, batch, exact=exact, steps=arguments.steps), stepped, before)
            good = losses <= LOSS_LIMIT and worst[0][0] <= 1 and update <= UPDATE_LIMIT
            failures += not good
            print(f"| {arch} | {convolutions} | {losses:.1e} | {worst[0][0]:.2f} ({worst[0][1]}) | {len(worst)} | "
                  f"{update:.1e} |{'' if good else ' beyond the limits'}", flush=True)
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
