# SPDX-License-Identifier: Apache-2.0
"""torchvision's losses, gradients and SGD steps of one batch, with the random draws recorded or replayed. Needs torch.

A batch is a dict of arrays as uldor.run_gradients() takes it: image.i, boxes.i, labels.i, masks.i and, once drawn,
proposals.i, anchors.i, regions.i. torchvision pads a batch to its largest image, libuldor does not: images of different sizes go
through torchvision one size after the other, and the losses of each are weighed by its share of the batch's normalisers."""
from __future__ import annotations

import itertools
import os
from typing import Any, Dict, List, Tuple

import numpy as np
import torch
from torch import Tensor
from torchvision.models.detection import MaskRCNN

import torchvision_model
from synthetic_slice import ct_like

LOSSES = ("loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg", "loss_mask")
WAYS = "its own convolutions", "without oneDNN", "channels_last"
Batch = Dict[str, np.ndarray]


def random_batch(sizes: List[Tuple[int, int]], slices: int, lesions: List[int], classes: int, seed: int) -> Batch:
    """Synthetic slices of these heights and widths; elliptical lesions on them, of any class, as many as `lesions` says for each."""
    random = np.random.default_rng(seed)
    batch: Batch = {}
    for i, (height, width) in enumerate(sizes):
        batch[f"image.{i}"] = ct_like(height, width, slices, seed + i)[None].astype(np.float32)
        number = lesions[i % len(lesions)]
        sides = random.uniform(0.08, 0.35, (number, 2)) * min(height, width)
        corners = random.uniform(0.02, 0.6, (number, 2)) * (width, height)
        boxes = np.concatenate([corners, np.minimum(corners + sides, (width - 1, height - 1))], 1).astype(np.float32)
        y, x = np.mgrid[:height, :width] + 0.5
        masks = [((x - (b[0] + b[2]) / 2) / (b[2] - b[0]) * 2) ** 2 + ((y - (b[1] + b[3]) / 2) / (b[3] - b[1]) * 2) ** 2 <= 1 for b in boxes]
        batch[f"boxes.{i}"] = boxes
        batch[f"labels.{i}"] = random.integers(1, classes, number).astype(np.float32)
        batch[f"masks.{i}"] = np.array(masks, np.float32).reshape(number, height, width)
    return batch


def count(batch: Batch) -> int:
    return sum(name.startswith("image.") for name in batch)


def load(path: str | os.PathLike, dtype: torch.dtype, trainable_layers: int) -> MaskRCNN:
    """In training mode, with the backbone's stages frozen that torchvision would freeze."""
    model, _ = torchvision_model.load(path, dtype)
    model.requires_grad_(True)
    trained = ["layer4", "layer3", "layer2", "layer1", "conv1"][:trainable_layers]
    for name, parameter in model.backbone.body.named_parameters():
        parameter.requires_grad_(any(name.startswith(part) for part in trained))
    return model.train()


class _RecordingSampler:
    """A sampler that keeps what it draws, image after image."""

    def __init__(self, sampler: Any) -> None:
        self.sampler, self.drawn = sampler, []

    def __call__(self, labels: List[Tensor]) -> Any:
        positive, negative = self.sampler(labels)
        self.drawn += [torch.where(p | n)[0] for p, n in zip(positive, negative)]
        return positive, negative


class _ReplayingSampler:
    """A sampler that draws what the batch says, for the images of the parts in turn."""

    def __init__(self, batch: Batch, name: str) -> None:
        self.drawn = itertools.cycle([torch.from_numpy(batch[f"{name}.{i}"].astype(np.int64)) for i in range(count(batch))])
        self.positive: List[int] = []

    def __call__(self, labels: List[Tensor]) -> Any:
        positive, negative = [], []
        for own in labels:
            drawn = torch.zeros_like(own, dtype=torch.bool)
            drawn[next(self.drawn)] = True
            positive.append((drawn & (own >= 1)).to(torch.uint8))
            negative.append((drawn & (own == 0)).to(torch.uint8))
        self.positive += [int(one.sum()) for one in positive]
        return positive, negative


def _replay(model: MaskRCNN, batch: Batch) -> None:
    """The model takes the batch's draws and proposals for its own."""
    dtype = next(model.parameters()).dtype
    model.rpn.fg_bg_sampler, model.roi_heads.fg_bg_sampler = _ReplayingSampler(batch, "anchors"), _ReplayingSampler(batch, "regions")
    proposals = itertools.cycle([torch.from_numpy(batch[f"proposals.{i}"]).to(dtype) for i in range(count(batch))])
    model.rpn.filter_proposals = lambda _, __, sizes, ___: ([next(proposals) for _ in sizes], None)


def _parts(batch: Batch) -> List[List[int]]:
    """Neighbours of one size: what goes through torchvision together."""
    return [list(part) for _, part in itertools.groupby(range(count(batch)), lambda i: batch[f"image.{i}"].shape)]


def _forward(model: MaskRCNN, batch: Batch, part: List[int]) -> Dict[str, Tensor]:
    dtype = next(model.parameters()).dtype
    images = [torch.from_numpy(batch[f"image.{i}"][0]).to(dtype) for i in part]
    targets = [{"boxes": torch.from_numpy(batch[f"boxes.{i}"]).to(dtype),
                "labels": torch.from_numpy(batch[f"labels.{i}"]).long(),
                "masks": torch.from_numpy(batch[f"masks.{i}"]).to(torch.uint8)} for i in part]
    return model(images, targets)


def _losses(model: MaskRCNN, batch: Batch) -> Dict[str, Tensor]:
    """Of the whole batch: each of a part's is a mean over its samples, with as many of the batch's as it has."""
    parts, masks = [], model.roi_heads.fg_bg_sampler.positive
    for part in _parts(batch):
        before = len(masks)
        losses = _forward(model, batch, part)
        anchors, regions = (sum(len(batch[f"{name}.{i}"]) for i in part) for name in ("anchors", "regions"))
        parts.append((losses, dict(zip(LOSSES, (anchors, anchors, regions, regions, sum(masks[before:]))))))
    total = {name: max(sum(samples[name] for _, samples in parts), 1) for name in LOSSES}
    return {name: sum(losses[name] * (samples[name] / total[name]) for losses, samples in parts) for name in LOSSES}


def draw(path: str | os.PathLike, batch: Batch, seed: int, anchors: int = 256, regions: int = 512) -> Batch:
    """The batch with proposals and samples drawn by torchvision, in float32."""
    torch.manual_seed(seed)
    model = load(path, torch.float32, 0)
    model.rpn.fg_bg_sampler.batch_size_per_image = anchors
    model.roi_heads.fg_bg_sampler.batch_size_per_image = regions
    rpn, heads = _RecordingSampler(model.rpn.fg_bg_sampler), _RecordingSampler(model.roi_heads.fg_bg_sampler)
    model.rpn.fg_bg_sampler, model.roi_heads.fg_bg_sampler = rpn, heads
    proposals: List[Tensor] = []
    own = model.rpn.filter_proposals

    def keep(*arguments: Any) -> Any:
        found, scores = own(*arguments)
        proposals.extend(found)
        return found, scores

    model.rpn.filter_proposals = keep
    with torch.no_grad():
        for part in _parts(batch):
            _forward(model, batch, part)
    drawn = dict(batch)
    for i in range(count(batch)):
        drawn[f"proposals.{i}"] = proposals[i].numpy().astype(np.float32)
        drawn[f"anchors.{i}"] = rpn.drawn[i].numpy().astype(np.float32)
        drawn[f"regions.{i}"] = heads.drawn[i].numpy().astype(np.float32)
    return drawn


def single_precision(path: str | os.PathLike, batch: Batch, trainable_layers: int = 3) -> List[Dict[str, np.ndarray]]:
    """Gradients in float32 by each of WAYS, torch's to convolve on a CPU: which of them is nearest to float64 is chance."""
    own = gradients(path, batch, torch.float32, trainable_layers)
    with torch.backends.mkldnn.flags(enabled=False):
        plain = gradients(path, batch, torch.float32, trainable_layers)
    last = gradients(path, batch, torch.float32, trainable_layers, memory_format=torch.channels_last)
    return [own, plain, last]


def gradients(path: str | os.PathLike, batch: Batch, dtype: torch.dtype, trainable_layers: int = 3, steps: int = 0,
              rate: float = 1e-3, momentum: float = 0.9, decay: float = 1e-4,
              memory_format: torch.memory_format = torch.contiguous_format) -> Dict[str, np.ndarray]:
    """`losses` and each trained parameter's gradient (0 where it has none), or its value after `steps` of SGD."""
    model = load(path, dtype, trainable_layers).to(memory_format=memory_format)
    batch_images = model.transform.batch_images
    model.transform.batch_images = lambda *a, **k: batch_images(*a, **k).contiguous(memory_format=memory_format)
    _replay(model, batch)
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimiser = torch.optim.SGD(trained.values(), lr=rate, momentum=momentum, weight_decay=decay)
    for _ in range(max(steps, 1)):
        optimiser.zero_grad()
        losses = _losses(model, batch)
        sum(losses.values()).backward()
        if steps:
            optimiser.step()
    result = {"losses": np.array([float(losses[name].detach()) for name in LOSSES])}
    for name, parameter in trained.items():
        value = parameter if steps else (parameter.grad if parameter.grad is not None else torch.zeros_like(parameter))
        result[name] = value.detach().numpy()
    return result


def rpn_units(path: str | os.PathLike, batch: Batch, dtype: torch.dtype) -> Dict[str, np.ndarray]:
    """By P2...P6, what the ReLU of the RPN's convolution gets at the places of which an anchor is drawn; for images of one size."""
    assert len(_parts(batch)) == 1
    model = load(path, dtype, 0)
    _replay(model, batch)
    anchors = model.rpn.anchor_generator.num_anchors_per_location()[0]
    maps: List[Tensor] = []
    model.rpn.head.conv[0][0].register_forward_hook(lambda _, __, output: maps.append(output.clone()))
    with torch.no_grad():
        _losses(model, batch)
    found, first = {}, 0
    for level, units in enumerate(maps, 2):
        end = first + units.shape[2] * units.shape[3] * anchors
        at = []
        for i, own in enumerate(units.flatten(2)):
            drawn = batch[f"anchors.{i}"].astype(np.int64)
            at.append(own[:, np.unique((drawn[(drawn >= first) & (drawn < end)] - first) // anchors)].flatten())
        found[f"P{level}"], first = torch.cat(at).numpy(), end
    return found
