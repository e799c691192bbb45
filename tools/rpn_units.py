#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How near to 0 the inputs of the RPN's ReLU are, beside what float32 rounds them by: where the nearest one is within that, one
implementation may cut off what another does not, and the gradients behind it differ by a step. Batches are those of
parity_gradients.py; what it says of the parameter that is nearest, the bias of the level in the pyramid, stands beside it. Needs torch.

    python tools/rpn_units.py --arch resnet50 --seeds 9
"""
from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from parity_gradients import ROOT, distances, drawn_batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", default="resnet50")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--seeds", type=int, default=9, help="batches")
    parser.add_argument("--scratch", type=Path, default=ROOT / "build" / "parity")
    arguments = parser.parse_args()
    import torch
    import torchvision_training as reference
    import uldor
    from parity_reference import SEED, weights_of

    weights = weights_of(arguments.scratch, arguments.arch, 2, True)
    print("| batch | level | nearest unit to 0 | float32's error (rms) | ratio of the level's bias in the pyramid |\n|---|---|---|---|---|")
    for seed in range(arguments.seeds):
        batch = drawn_batch(weights, [arguments.size] * 2, SEED + seed)
        double, single = (reference.rpn_units(weights, batch, dtype) for dtype in (torch.float64, torch.float32))
        found = distances(uldor.run_gradients(weights, batch), reference.single_precision(weights, batch),
                          reference.gradients(weights, batch, torch.float64))
        for index, level in enumerate(("P2", "P3", "P4", "P5")):
            if not len(double[level]):
                continue
            error = np.sqrt(np.mean((single[level] - double[level]) ** 2))
            print(f"| {seed} | {level} | {np.abs(double[level]).min():.1e} | {error:.1e} | "
                  f"{found[f'backbone.fpn.layer_blocks.{index}.0.bias'].ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
