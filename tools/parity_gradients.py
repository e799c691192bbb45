#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Losses, gradients and ten steps of SGD beside torchvision's, at full size. Needs torch.

A parameter's gradient may be as far from torchvision's in float64 as twice torchvision's own in float32 is, by the farthest of
its ways to convolve; in the median over the batches: among millions of units there is now and then one so near 0 that one side's
ReLU cuts it off and the other's does not, a step in some layer's gradient, on either side by chance. How many parameters are beyond
the limit in each batch is printed, too, and in each of torch's own ways the same, with the limit that the other two set. The
steps' rate is the first of --rates at which torch's updates are within half of their limit of its own without oneDNN: steps enlarge what rounding begins, and where torch is further than that from itself, being as near
to it shows nothing. libuldor has no part in that choice. Weights are those that a training starts from, or (--weights spread) of a trained detector's
spread, whose larger losses and gradients torchvision itself rounds more."""
from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Dict, List, NamedTuple, Sequence, Tuple

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "examples" / "python" / "src"))
LOSS_LIMIT, UPDATE_LIMIT = 1e-5, 1e-2
Arrays = Dict[str, np.ndarray]


def norm(array: np.ndarray) -> float:
    return float(np.sqrt((array.astype(np.float64) ** 2).sum()))


def parameter_ratios(ours: Arrays, single: List[Arrays], double: Arrays) -> Dict[str, float]:
    """For each parameter |ours - fp64| / (2 |torch fp32 - fp64| + 1e-6 |fp64|): at most 1 is asked for."""
    ratios = {}
    for name, exact in double.items():
        if name != "losses":
            allowed = 2 * max(norm(own[name] - exact) for own in single) + 1e-6 * norm(exact)
            distance = norm(ours[name] - exact)
            ratios[name] = distance / allowed if allowed else float(distance > 0)
    return ratios


def beyond(ratios: Dict[str, float]) -> int:
    return sum(ratio > 1 for ratio in ratios.values())


def loss_error(ours: Arrays, double: Arrays) -> float:
    return float(np.max(np.abs(ours["losses"] - double["losses"]) / np.maximum(np.abs(double["losses"]), 1e-12)))


def update_error(ours: Arrays, theirs: Arrays, before: Arrays) -> float:
    """|update_ours - update_torch| / |update_torch| over all parameters together."""
    names = [name for name in theirs if name != "losses"]
    difference = sum(norm(ours[n] - theirs[n]) ** 2 for n in names) ** 0.5
    return difference / sum(norm(theirs[n] - before[n]) ** 2 for n in names) ** 0.5


class Steps(NamedTuple):
    """torch's weights after steps of SGD, and how far its updates are from its own without oneDNN."""
    rate: float
    after: Arrays
    own_error: float


def torch_steps(weights: Path, batch: Arrays, before: Arrays, steps: int, rates: Sequence[float]) -> Steps:
    """At the first rate that half of the limit can be seen at; the last if there is none."""
    import torch
    import torchvision_training as reference

    def after(rate: float, onednn: bool) -> Arrays:
        with torch.backends.mkldnn.flags(enabled=onednn):
            return reference.gradients(weights, batch, torch.float32, steps=steps, rate=rate)

    for rate in rates:
        stepped = after(rate, True)
        found = Steps(rate, stepped, update_error(after(rate, False), stepped, before))
        if found.own_error <= UPDATE_LIMIT / 2:
            break
    return found


def compare(weights: Path, size: int, images: int, seed: int, steps: int, rates: Sequence[float],
            kinds: List[str]) -> Tuple[Dict[str, Tuple[float, float, Dict]], Steps, List[int]]:
    """For each kind of convolution the losses' error, the updates' and each parameter's ratio, on one batch; torch's steps; how many
    parameters are beyond the limit in each of torch's own ways to convolve, if the others set it."""
    import torch
    import torchvision_training as reference
    import uldor
    import uldor_weights

    batch = reference.draw(weights, reference.random_batch(images, size, size, 3, [2, 0, 3], 2, seed), seed)
    single = reference.single_precision(weights, batch)
    double = reference.gradients(weights, batch, torch.float64)
    before, _ = uldor_weights.load(weights)
    stepped = torch_steps(weights, batch, before, steps, rates)
    found = {}
    for kind in kinds:
        ours = uldor.run_gradients(weights, batch, exact=kind == "exact")
        moved = uldor.run_gradients(weights, batch, exact=kind == "exact", steps=steps, rate=stepped.rate)
        found[kind] = loss_error(ours, double), update_error(moved, stepped.after, before), parameter_ratios(ours, single, double)
    own = [parameter_ratios(single[i], single[:i] + single[i + 1:], double) for i in range(len(single))]
    return found, stepped, [beyond(ratios) for ratios in own]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", nargs="+", default=["resnet18", "resnet50", "resnet101"])
    parser.add_argument("--weights", default="start", choices=["start", "spread"])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-3, 1e-4, 1e-5], help="of the steps, largest first")
    parser.add_argument("--seeds", type=int, default=3, help="batches")
    parser.add_argument("--convolutions", nargs="+", default=["fast", "exact"], choices=["fast", "exact"])
    parser.add_argument("--scratch", type=Path, default=ROOT / "build" / "parity")
    arguments = parser.parse_args()
    from parity_reference import SEED, weights_of

    failures = 0
    print("| network | backward | losses | parameters | worst in the median | beyond the limit, batch by batch | "
          f"torch's ways | {arguments.steps} steps | torch's own | rates |\n|---|---|---|---|---|---|---|---|---|---|")
    for arch in arguments.arch:
        weights = weights_of(arguments.scratch, arch, 2, arguments.weights == "start")
        runs = [compare(weights, arguments.size, arguments.batch, SEED + seed, arguments.steps, arguments.rates,
                        arguments.convolutions)
                for seed in range(arguments.seeds)]
        for kind in arguments.convolutions:
            losses, updates, ratios = zip(*(found[kind] for found, _, _ in runs))
            medians = {name: float(np.median([own[name] for own in ratios])) for name in ratios[0]}
            worst = max(medians, key=medians.__getitem__)
            good = max(losses) <= LOSS_LIMIT and medians[worst] <= 1 and max(updates) <= UPDATE_LIMIT
            failures += not good
            ours = ", ".join(str(beyond(own)) for own in ratios)
            torchs = ", ".join("/".join(map(str, counts)) for _, _, counts in runs)
            print(f"| {arch} | {kind} | {max(losses):.1e} | {len(medians)} | {medians[worst]:.2f} {worst} | {ours} | {torchs} | "
                  f"{max(updates):.1e} | {max(stepped.own_error for _, stepped, _ in runs):.1e} | "
                  f"{', '.join(f'{stepped.rate:g}' for _, stepped, _ in runs)} |{'' if good else ' beyond the limits'}", flush=True)
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
