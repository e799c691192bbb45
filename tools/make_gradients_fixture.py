#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests/fixtures/tiny_2class_gradients.safetensors: a batch, torchvision's draws, losses and gradients in float64, and how far its
own float32 is from them at most. Needs torch.

    python tools/make_gradients_fixture.py
"""
from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

import safetensors_file
import torchvision_training as reference
from parity_gradients import norm

FIXTURES = Path(__file__).resolve().parents[1] / "Tests" / "fixtures"
# Two images of one size and one of another, the second without a lesion; few samples, so that the file stays small.
SIZES, LESIONS, LAYERS = [(90, 121), (90, 121), (70, 64)], [3, 0, 2], 5


def main() -> None:
    weights = FIXTURES / "tiny_2class.safetensors"
    batch = reference.draw(weights, reference.random_batch(SIZES, 3, LESIONS, 2, 3), 5, anchors=64, regions=48)
    for name in [n for n in batch if n.startswith("proposals")]:
        # Only proposals that are drawn matter; the true boxes stand behind them.
        index = name.split(".")[1]
        regions, total = batch[f"regions.{index}"].astype(int), len(batch[name])
        kept = regions[regions < total]
        batch[f"regions.{index}"] = np.concatenate(
            [np.arange(len(kept)), regions[regions >= total] - total + len(kept)]).astype(np.float32)
        batch[name] = batch[name][kept]
    single = reference.single_precision(weights, batch, LAYERS)
    double = reference.gradients(weights, batch, torch.float64, LAYERS)
    tensors = {f"input.{name}": value.astype(np.uint8) if name.startswith("masks") else value for name, value in batch.items()}
    tensors |= {f"gradient.{name}": value.astype(np.float32) for name, value in double.items()}
    tensors |= {f"distance.{name}": np.array([max(norm(own[name] - value) for own in single)], np.float32) for name, value in double.items()}
    stepped = reference.gradients(weights, batch, torch.float64, LAYERS, steps=3)
    tensors |= {f"stepped.{name}": value.astype(np.float32) for name, value in stepped.items() if name != "losses" and value.size < 3000}
    safetensors_file.save(FIXTURES / "tiny_2class_gradients.safetensors", tensors)


if __name__ == "__main__":
    main()
