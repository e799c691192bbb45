#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Losses, gradients and ten steps of SGD beside torchvision's, at full size. Needs torch.

A parameter's gradient may be as far from torchvision's in float64 as twice torchvision's own in float32 is, by the farthest of
its ways to convolve; in the median over the batches: among millions of units there is now and then one so near 0 that one side's
ReLU cuts it off and the other's does not, a step in some layer's gradient, on either side by chance. Beside it: the same of all
batches together (root mean squares), how many parameters are beyond the limit in each batch, and all three of each of torch's own
ways, with the limit that the other two set. The steps' rate is the first of --rates at which torch's updates are within half of
their limit of its own without oneDNN: steps enlarge what rounding begins, and where torch is further than that from itself,
being as near to it shows nothing. libuldor has no part in that choice. Weights are those that a training starts from, or
(--weights spread) of a trained detector's spread, whose larger losses and gradients torchvision itself rounds more."""
from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "examples" / "python" / "src"))
LOSS_LIMIT, UPDATE_LIMIT = 1e-5, 1e-2
Arrays = Dict[str, np.ndarray]


def norm(array: np.ndarray) -> float:
    return float(np.sqrt((array.astype(np.float64) ** 2).sum()))


def finite(error: float) -> float:
    """What is not a number is beyond every limit."""
    return float(error) if math.isfinite(error) else math.inf


class Distance(NamedTuple):
    """|ours - fp64| of a parameter's gradient, and 2 |torch fp32 - fp64| + 1e-6 |fp64|, which it may reach."""
    found: float
    allowed: float

    @property
    def ratio(self) -> float:
        return finite(self.found / self.allowed if self.allowed else float(self.found > 0))


Distances = Dict[str, Distance]


def distances(ours: Arrays, single: List[Arrays], double: Arrays) -> Distances:
    return {name: Distance(norm(ours[name] - exact), 2 * max(norm(own[name] - exact) for own in single) + 1e-6 * norm(exact))
            for name, exact in double.items() if name != "losses"}


def beyond(batch: Distances) -> int:
    return sum(parameter.ratio > 1 for parameter in batch.values())


def median(batches: Sequence[Distances]) -> Dict[str, float]:
    return {name: float(np.median([batch[name].ratio for batch in batches])) for name in batches[0]}


def together(batches: Sequence[Distances]) -> Dict[str, float]:
    """The ratio of each parameter's root mean squares over the batches: no batch is left out."""
    return {name: Distance(norm(np.array([batch[name].found for batch in batches])),
                           norm(np.array([batch[name].allowed for batch in batches]))).ratio for name in batches[0]}


def worst(ratios: Dict[str, float]) -> Tuple[float, str]:
    return max((ratio, name) for name, ratio in ratios.items())


def spread(batches: Sequence[Distances]) -> str:
    """Three columns of the table."""
    ratios = (f"{ratio:.2f} {name}" for ratio, name in (worst(median(batches)), worst(together(batches))))
    return f"{' | '.join(ratios)} | {', '.join(str(beyond(batch)) for batch in batches)}"


def loss_error(ours: Arrays, double: Arrays) -> float:
    return finite(np.max(np.abs(ours["losses"] - double["losses"]) / np.maximum(np.abs(double["losses"]), 1e-12)))


def update_error(ours: Arrays, theirs: Arrays, before: Arrays) -> float:
    """|update_ours - update_torch| / |update_torch| over all parameters together."""
    names = [name for name in theirs if name != "losses"]
    difference = sum(norm(ours[n] - theirs[n]) ** 2 for n in names) ** 0.5
    return finite(difference / sum(norm(theirs[n] - before[n]) ** 2 for n in names) ** 0.5)


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


def drawn_batch(weights: Path, sizes: List[int], seed: int) -> Arrays:
    """Images with 2, 0 and 3 lesions in turn, and torchvision's draws of them."""
    import torchvision_training as reference

    return reference.draw(weights, reference.random_batch([(size, size) for size in sizes], 3, [2, 0, 3], 2, seed), seed)


class Comparison(NamedTuple):
    """Of one batch."""
    losses: Dict[str, float]
    gradients: Dict[str, Distances]
    updates: Dict[str, float]
    """By the kind of convolution; none where no steps were taken."""
    steps: Optional[Steps]
    ways: List[Distances]
    """Of each of torch's own ways to convolve, if the others set the limit."""


def compare(weights: Path, sizes: List[int], seed: int, steps: int, rates: Sequence[float], kinds: List[str]) -> Comparison:
    import torch
    import torchvision_training as reference
    import uldor
    import uldor_weights

    batch = drawn_batch(weights, sizes, seed)
    single = reference.single_precision(weights, batch)
    double = reference.gradients(weights, batch, torch.float64)
    before, _ = uldor_weights.load(weights)
    stepped = torch_steps(weights, batch, before, steps, rates) if steps else None
    found = Comparison({}, {}, {}, stepped, [
        distances(single[i], single[:i] + single[i + 1:], double) for i in range(len(single))])
    for kind in kinds:
        ours = uldor.run_gradients(weights, batch, exact=kind == "exact")
        found.losses[kind], found.gradients[kind] = loss_error(ours, double), distances(ours, single, double)
        if stepped:
            moved = uldor.run_gradients(weights, batch, exact=kind == "exact", steps=steps, rate=stepped.rate)
            found.updates[kind] = update_error(moved, stepped.after, before)
    return found


def figure(error: Optional[float]) -> str:
    return "" if error is None else f"{error:.1e}"


def rows(arch: str, runs: List[Comparison], kinds: List[str]) -> Iterator[Tuple[str, bool]]:
    """Lines of the table, and whether they are within the limits."""
    import torchvision_training as reference

    steps = [run.steps for run in runs if run.steps]
    own = max((stepped.own_error for stepped in steps), default=None)
    rates = ", ".join(f"{stepped.rate:g}" for stepped in steps)
    for kind in kinds:
        losses, batches = max(run.losses[kind] for run in runs), [run.gradients[kind] for run in runs]
        updates = max((run.updates[kind] for run in runs if run.steps), default=None)
        good = losses <= LOSS_LIMIT and worst(median(batches))[0] <= 1 and (updates is None or updates <= UPDATE_LIMIT)
        yield (f"| {arch} | {kind} | {losses:.1e} | {len(batches[0])} | {spread(batches)} | {figure(updates)} | {figure(own)} | {rates} |"
               f"{'' if good else ' beyond the limits'}"), good
    for way, batches in zip(reference.WAYS, zip(*(run.ways for run in runs))):
        yield f"| | torch, {way} | | {len(batches[0])} | {spread(batches)} | | | |", True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", nargs="+", default=["resnet18", "resnet50", "resnet101"])
    parser.add_argument("--weights", default="start", choices=["start", "spread"])
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 256], help="of a batch's images, in pixels")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-3, 1e-4, 1e-5], help="of the steps, largest first")
    parser.add_argument("--seeds", type=int, default=9, help="batches: fewer do not tell what is chance")
    parser.add_argument("--step-batches", type=int, default=3, help="the first of them that take steps, too")
    parser.add_argument("--convolutions", nargs="+", default=["fast", "exact"], choices=["fast", "exact"])
    parser.add_argument("--scratch", type=Path, default=ROOT / "build" / "parity")
    arguments = parser.parse_args()
    from parity_reference import SEED, weights_of

    failures = 0
    print("| network | backward | losses | parameters | worst in the median | worst of all batches together | beyond the limit, batch by "
          f"batch | {arguments.steps} steps | torch's own | rates |\n|---|---|---|---|---|---|---|---|---|---|")
    for arch in arguments.arch:
        weights = weights_of(arguments.scratch, arch, 2, arguments.weights == "start")
        runs = [compare(weights, arguments.sizes, SEED + seed,
                        arguments.steps if seed < arguments.step_batches else 0, arguments.rates, arguments.convolutions)
                for seed in range(arguments.seeds)]
        for line, good in rows(arch, runs, arguments.convolutions):
            print(line, flush=True)
            failures += not good
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
