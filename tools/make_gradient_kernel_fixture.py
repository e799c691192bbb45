#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests/fixtures/gradient_kernels.safetensors: what torch's autograd gives for single layers, in float64 from float32 inputs.
Maps are NHWC, weights torch's. training_layers.safetensors (make_training_layer_fixture.py) has those that are more than a kernel.
Needs torch and torchvision.

    python tools/make_gradient_kernel_fixture.py
"""
from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import torchvision

import safetensors_file

FIXTURE = Path(__file__).resolve().parents[1] / "Tests" / "fixtures" / "gradient_kernels.safetensors"

# batch, channels, height, width, out channels, kernel, stride, padding
CONVOLUTIONS = {
    "conv1": (2, 17, 5, 4, 9, 1, 1, 0), "conv1s2": (1, 12, 7, 5, 20, 1, 2, 0), "conv3": (2, 7, 6, 9, 5, 3, 1, 1),
    "conv3s2": (2, 16, 9, 7, 6, 3, 2, 1), "conv7s2": (1, 3, 13, 11, 8, 7, 2, 3), "winograd": (1, 16, 12, 12, 16, 3, 1, 1),
    "winograd_weights": (16, 16, 5, 5, 16, 3, 1, 1)}


def main() -> None:
    torch.manual_seed(11)
    tensors: dict[str, np.ndarray] = {}

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape).double().requires_grad_()

    def save(case: str, name: str, value: torch.Tensor, is_map: bool = False) -> None:
        value = value.detach().permute(0, 2, 3, 1) if is_map else value.detach()
        tensors[f"{case}.{name}"] = value.contiguous().float().numpy()

    def layer(case: str, sizes: tuple, x: torch.Tensor, w: torch.Tensor, b: torch.Tensor, y: torch.Tensor) -> None:
        gradient = torch.randn(*y.shape).double()
        y.backward(gradient)
        is_map = x.dim() == 4
        tensors[f"{case}.sizes"] = np.array(sizes, np.float32)
        save(case, "input", x, is_map)
        save(case, "weights", w)
        save(case, "gradient", gradient, is_map)
        save(case, "input_gradient", x.grad, is_map)
        save(case, "weight_gradient", w.grad)
        save(case, "bias_gradient", b.grad)

    for case, (batch, channels, height, width, out, kernel, stride, pad) in CONVOLUTIONS.items():
        x, w, b = draw(batch, channels, height, width), draw(out, channels, kernel, kernel), draw(out)
        sizes = batch, height, width, channels, out, kernel, stride, pad
        layer(case, sizes, x, w, b, F.conv2d(x, w, b, stride=stride, padding=pad))
    x, w, b = draw(3, 10, 4, 5), draw(10, 18, 2, 2), draw(18)
    layer("transposed", (3, 4, 5, 10, 18, 2, 2, 0), x, w, b, F.conv_transpose2d(x, w, b, stride=2))
    x, w, b = draw(37, 40), draw(21, 40), draw(21)
    layer("linear", (37, 1, 1, 40, 21, 1, 1, 0), x, w, b, F.linear(x, w, b))

    # Half of the values are 0, as behind a ReLU: windows have several greatest values.
    x = torch.randn(1, 5, 9, 12).clamp(min=0).double().requires_grad_()
    y = F.max_pool2d(x, 3, 2, 1)
    gradient = torch.randn(*y.shape).double()
    y.backward(gradient)
    for name, value in ("input", x), ("gradient", gradient), ("input_gradient", x.grad):
        save("max_pool", name, value, True)

    x = draw(2, 6, 4, 3)
    gradient = torch.randn(2, 6, 7, 5).double()
    F.interpolate(x, size=(7, 5), mode="nearest").backward(gradient)
    save("nearest", "gradient", gradient, True)
    save("nearest", "input_gradient", x.grad, True)

    boxes = torch.tensor([[0.0, 0, 60, 48], [3.25, 5.5, 20.75, 9.125], [50, 40, 60, 48], [10, 10, 10.25, 10.5], [-8, 30, 33, 70]])
    tensors["roi_align.boxes"] = boxes.numpy()
    for case, ratio, aligned in ("roi_align", 2, False), ("roi_align_aligned", 0, True):
        x = draw(1, 11, 12, 15)
        y = torchvision.ops.roi_align(x, [boxes.double()], 4, spatial_scale=0.25, sampling_ratio=ratio, aligned=aligned)
        gradient = torch.randn(*y.shape).double()
        y.backward(gradient)
        save(case, "gradient", gradient, True)
        save(case, "input_gradient", x.grad, True)

    for case, optimiser in (
            ("sgd", lambda w: torch.optim.SGD([w], lr=0.03, momentum=0.9, weight_decay=0.05)),
            ("adamw", lambda w: torch.optim.AdamW([w], lr=0.03, betas=(0.9, 0.99), weight_decay=0.05))):
        w = draw(150)
        save(case, "weights", w)
        moves = optimiser(w)
        for step in range(3):
            gradient = torch.randn(150)
            w.grad = gradient.double()
            moves.step()
            save(case, f"gradient.{step}", gradient)
            save(case, f"weights.{step}", w)

    # Zeros of both signs are cut off.
    x = torch.tensor([0.0, -0.0, 1e-30, -1e-30, 2, -3] + torch.randn(71).tolist()).double().requires_grad_()
    y = F.relu(x)
    gradient = torch.randn(*y.shape).double()
    y.backward(gradient)
    for name, value in ("output", y), ("gradient", gradient), ("input_gradient", x.grad):
        save("relu", name, value)
    safetensors_file.save(FIXTURE, tensors)


if __name__ == "__main__":
    main()
