#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random Mask R-CNN weights with the activations, scores and boxes of a trained detector, for tests and timing.

Batch norm takes its statistics from synthetic slices; the last layers are scaled so that objectness, class logits,
deltas and mask logits spread as after training. All 100 detections fill. With --start they are left as torchvision begins
with them: where a training starts. Nothing is learned: not for use on patients."""

from __future__ import annotations

import argparse
import os
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN

import torchvision_model
import torchvision_reference as reference
import uldor_config
import uldor_weights
from synthetic_slice import ct_like
from torchvision_model import Architecture

BLOCKS = {"resnet18": [2, 2, 2, 2], "resnet34": [3, 4, 6, 3], "resnet50": [3, 4, 6, 3], "resnet101": [3, 4, 23, 3], "resnet152": [3, 8, 36, 3]}
TINY = {"stem": 8, "widths": [8, 16, 24, 40], "fpn": 16, "fc": 32, "mask": 16}
FULL = {"stem": 64, "widths": [64, 128, 256, 512], "fpn": 256, "fc": 1024, "mask": 256}
# What the field uses on DeepLesion; torchvision's 32..512 are larger than a small slice.
SMALL_ANCHORS = [[16], [24], [32], [48], [96]]


def architecture(arch: str, classes: int, width: dict[str, Any]) -> Architecture:
    return Architecture(
        bottleneck=arch not in ("resnet18", "resnet34"), blocks=BLOCKS[arch], stem=width["stem"], widths=width["widths"],
        fpn=width["fpn"], fc=(width["fc"],) * 2, mask=[width["mask"]] * 4, mask_up=width["mask"], classes=classes)


def _rescale(layer: nn.Module, output: Tensor, std: float, mean: float = 0.0) -> None:
    """Scales and shifts `layer` so that each channel of its output gets this spread and mean."""
    channels = [0, *range(2, output.dim())]
    scale = std / output.std(channels)
    layer.weight.mul_(scale.view(-1, *[1] * (layer.weight.dim() - 1)))
    layer.bias.copy_((layer.bias - output.mean(channels)) * scale + mean)


def _calibrate_body(model: MaskRCNN, size: tuple[int, int], slices: int) -> None:
    body = model.backbone.body
    for name, module in body.named_modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.BatchNorm2d):
            # A block's last norm is small, or the sums of the residual branches would grow with depth.
            last = name.endswith("bn3") or (name.endswith("bn2") and not any(n.endswith("bn3") for n, _ in body.named_modules()))
            nn.init.uniform_(module.weight, *((0.10, 0.30) if last else (0.7, 1.3)))
            nn.init.normal_(module.bias, 0, 0.1)
            module.momentum = None
    body.train()
    for seed in range(4):
        body(torchvision_model.network_input(model, torch.from_numpy(ct_like(*size, slices, 100 + seed))).tensors)
    body.eval()


def _calibrate_heads(model: MaskRCNN, image: Tensor, foreground_bias: float) -> None:
    size, padded = tuple(image.shape[-2:]), torchvision_model.network_input(model, image).tensors
    fpn, head, roi = model.backbone.fpn, model.rpn.head, model.roi_heads
    c = list(model.backbone.body(padded).values())
    for block, map_ in zip(fpn.inner_blocks, c):
        _rescale(block[0], block(map_), 0.6)
    for block, map_ in zip(fpn.layer_blocks, reference.stage_fpn(model, c)):
        block[0].weight.mul_(1 / map_.std())
    p = reference.stage_fpn(model, c)

    def flat(layer: nn.Module, maps: list[Tensor]) -> Tensor:
        return torch.cat([layer(m).flatten(2) for m in maps], 2)

    # Every layer of the heads is centred, as training with normalisation would have it. Without that what a deep random
    # network says varies by a few per cent about a large mean, and the last layers blow its rounding errors up.
    hidden = p
    for conv in head.conv:
        nn.init.kaiming_normal_(conv[0].weight)
        _rescale(conv[0], flat(conv[0], hidden), 1.0)
        hidden = [conv(m) for m in hidden]
    _rescale(head.cls_logits, flat(head.cls_logits, hidden), 2.0, -2.0)
    _rescale(head.bbox_pred, flat(head.bbox_pred, hidden), 0.2)

    boxes, _ = reference.stage_proposals(model, *reference.stage_rpn_head(model, p), size, tuple(padded.shape[-2:]))
    features = reference.stage_box_roi_align(model, p, boxes, size).flatten(1)
    for layer in (roi.box_head.fc6, roi.box_head.fc7):
        nn.init.kaiming_normal_(layer.weight)
        _rescale(layer, layer(features), 1.0)
        features = layer(features).relu()
    predictor = roi.box_predictor
    _rescale(predictor.cls_score, predictor.cls_score(features), 1.2)
    predictor.cls_score.bias[1:] += foreground_bias
    _rescale(predictor.bbox_pred, predictor.bbox_pred(features), 0.5)

    found, _, _ = reference.stage_box_post(model, *predictor(features), boxes, size)
    features = reference.stage_mask_roi_align(model, p, found, size)
    for block in roi.mask_head:
        _rescale(block[0], block[0](features), 1.0)
        features = block(features)
    nn.init.normal_(roi.mask_predictor.conv5_mask.bias, 0, 0.05)
    _rescale(roi.mask_predictor.mask_fcn_logits, roi.mask_predictor(features), 2.0)


@torch.no_grad()
def make(path: str | os.PathLike, a: Architecture, config: dict[str, Any], size: tuple[int, int], seed: int,
         dtype: str = "fp32", foreground_bias: float = -2.0, start: bool = False) -> None:
    torch.manual_seed(seed)
    complete = uldor_config.complete(config)
    model = torchvision_model.build(a, complete, nn.BatchNorm2d)
    _calibrate_body(model, size, complete["input.slices"])
    if not start:
        _calibrate_heads(model, torch.from_numpy(ct_like(*size, complete["input.slices"], 0)), foreground_bias)
    tensors = {n: v.numpy() for n, v in model.state_dict().items() if not n.endswith("num_batches_tracked")}
    uldor_weights.save(path, tensors, config, dtype)


def configuration(arch: str, classes: int, small_anchors: bool) -> dict[str, Any]:
    config: dict[str, Any] = {"format": 1, "name": f"random {arch}", "description": "random calibrated weights for tests, not trained",
                              "classes": uldor_config.CLASSES[classes]}
    if classes == 3:
        config["class_rule"] = "per_class"  # torchvision's, which parity is measured with
    if small_anchors:
        config["anchors"] = {"sizes": SMALL_ANCHORS}
    return config


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", help="the .safetensors file to write")
    parser.add_argument("--arch", choices=BLOCKS, default="resnet50")
    parser.add_argument("--classes", type=int, choices=(2, 3), default=2)
    parser.add_argument("--tiny", action="store_true", help=f"narrow widths: {TINY}")
    parser.add_argument("--stem", type=int)
    parser.add_argument("--widths", type=lambda t: [int(n) for n in t.split(",")], help="four, as 8,16,24,40")
    parser.add_argument("--fpn", type=int)
    parser.add_argument("--fc", type=int)
    parser.add_argument("--mask", type=int)
    parser.add_argument("--small-anchors", action="store_true", help="anchors of 16..96 instead of 32..512 pixels")
    parser.add_argument("--start", action="store_true", help="all but the backbone as torchvision begins with it")
    parser.add_argument("--size", type=int, nargs=2, default=(512, 512), metavar=("H", "W"), help="of the slices calibrated on")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--dtype", choices=uldor_weights.DTYPES, default="fp32")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    width = (TINY if arguments.tiny else FULL) | {n: v for n in FULL if (v := getattr(arguments, n)) is not None}
    if len(width["widths"]) != 4:
        parser.error("--widths takes four numbers")
    make(arguments.output, architecture(arguments.arch, arguments.classes, width),
         configuration(arguments.arch, arguments.classes, arguments.small_anchors), tuple(arguments.size), arguments.seed, arguments.dtype,
         start=arguments.start)
    print(f"{arguments.output}: {os.path.getsize(arguments.output) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
