#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests/fixtures/training_layers.safetensors: a convolution with frozen batch norm and ReLU, and the losses, each with its gradients
as torchvision and torch's autograd have them, in float64 from float32 inputs. The losses are torchvision's own functions
(RegionProposalNetwork.compute_loss, fastrcnn_loss, maskrcnn_loss), two images a batch. Needs torch and torchvision.

    python tools/make_training_layer_fixture.py
"""
from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Dict, List

import numpy as np
import torch
import torch.nn.functional as F
from torchvision.models.detection.roi_heads import fastrcnn_loss, maskrcnn_loss, project_masks_on_boxes
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.ops import FrozenBatchNorm2d

import safetensors_file

FIXTURE = Path(__file__).resolve().parents[1] / "Tests" / "fixtures" / "training_layers.safetensors"
#: Of the layer that has a norm, as a detector's file names it.
BLOCK = "backbone.body.layer4.0"
Arrays = Dict[str, np.ndarray]


def draw(*shape: int, scale: float = 1) -> torch.Tensor:
    """float32 values that learn, as float64."""
    return (scale * torch.randn(*shape)).double().requires_grad_()


def array(value: torch.Tensor) -> np.ndarray:
    return value.detach().contiguous().float().numpy()


def rows(value: torch.Tensor) -> np.ndarray:
    """An NCHW map as NHWC."""
    return array(value.permute(0, 2, 3, 1))


def frozen_norm(tensors: Arrays) -> None:
    x, w = draw(2, 11, 7, 6), draw(13, 11, 3, 3)
    norm = FrozenBatchNorm2d(13).double()
    for name, value in (("weight", torch.randn(13)), ("bias", torch.randn(13)), ("running_mean", torch.randn(13)),
                        ("running_var", torch.rand(13) * 4 + 0.01)):
        getattr(norm, name).copy_(value)
        tensors[f"{BLOCK}.bn1.{name}"] = array(getattr(norm, name))
    y = F.relu(norm(F.conv2d(x, w, padding=1)))
    gradient = torch.randn(*y.shape).double()
    y.backward(gradient)
    tensors[f"{BLOCK}.conv1.weight"] = array(w)
    for name, value in (("input", x), ("output", y), ("gradient", gradient), ("input_gradient", x.grad)):
        tensors[f"norm.{name}"] = rows(value)
    tensors["norm.weight_gradient"] = array(w.grad)


def proposals(tensors: Arrays) -> None:
    """Rows of 3 objectness logits and 3 x 4 deltas, 5 places an image; label -1 takes no part."""
    output = draw(2, 5, 15, scale=2)
    logits, deltas = output[..., :3].reshape(-1, 1), output[..., 3:].reshape(-1, 4)
    labels = [torch.tensor([1.0, 0, -1, 0, 1, 0, 0, -1, 0, 0, 1, 0, -1, -1, 0]), torch.tensor([0.0, -1, 0, 0, 0] * 3)]
    targets = [torch.randn(15, 4).float() for _ in labels]
    sampler = SimpleNamespace(fg_bg_sampler=lambda given: ([one == 1 for one in given], [one == 0 for one in given]))
    losses = RegionProposalNetwork.compute_loss(sampler, logits, deltas, [one.double() for one in labels],
                                                [one.double() for one in targets])
    sum(losses).backward()
    tensors |= {"proposals.output": array(output), "proposals.labels": array(torch.stack(labels)), "proposals.targets": array(torch.stack(targets)),
                "proposals.losses": array(torch.stack(losses)), "proposals.gradient": array(output.grad)}


def regions(tensors: Arrays) -> None:
    """Rows of 3 class logits and 3 x 4 deltas, some of either so large that a careless exponential overflows."""
    output = draw(17, 15, scale=3)
    with torch.no_grad():
        output[3, :3] = torch.tensor([200.0, -300.0, 90.0])
        output[4, 3:] *= 0.02
    labels = torch.tensor([1, 2, 0, 1, 2, 0, 0, 0, 0, 1, 1, 0, 0, 0, 2, 0, 0])
    targets = torch.randn(17, 4)
    halves: List[slice] = [slice(0, 9), slice(9, 17)]
    losses = fastrcnn_loss(output[:, :3], output[:, 3:], [labels[part] for part in halves],
                           [targets[part].double() for part in halves])
    sum(losses).backward()
    tensors |= {"regions.output": array(output), "regions.labels": array(labels), "regions.targets": array(targets),
                "regions.losses": array(torch.stack(losses)), "regions.gradient": array(output.grad)}


def masks(tensors: Arrays) -> None:
    """6 regions of 4 x 4 cells and 3 classes; what is wanted is cut out of the true masks by torchvision."""
    logits = draw(6, 3, 4, 4, scale=4)
    truth = [(torch.rand(2, 24, 20) > 0.5).double(), (torch.rand(1, 24, 20) > 0.5).double()]
    kinds, matched = [torch.tensor([1, 2]), torch.tensor([2])], [torch.tensor([0, 1, 1, 0]), torch.tensor([0, 0])]
    corners = torch.rand(6, 2) * 8
    boxes = torch.cat([corners, corners + 3 + torch.rand(6, 2) * 9], 1).double()
    parts = [boxes[:4], boxes[4:]]
    loss = maskrcnn_loss(logits, parts, truth, kinds, matched)
    loss.backward()
    wanted = [project_masks_on_boxes(mask, box, index, 4) for mask, box, index in zip(truth, parts, matched)]
    tensors |= {"masks.logits": rows(logits), "masks.labels": array(torch.cat([k[m] for k, m in zip(kinds, matched)])),
                "masks.targets": array(torch.cat(wanted)), "masks.losses": array(loss[None]), "masks.gradient": rows(logits.grad)}


def main() -> None:
    torch.manual_seed(12)
    tensors: Arrays = {}
    for add in (frozen_norm, proposals, regions, masks):
        add(tensors)
    safetensors_file.save(FIXTURE, tensors)


if __name__ == "__main__":
    main()
