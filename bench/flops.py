# SPDX-License-Identifier: Apache-2.0
"""Multiply-adds of the network, counted as direct convolutions from the shapes of the weights.

An engine that needs fewer (Winograd, FFT) gets an effective rate that can exceed the machine's peak: that is the point of
counting so."""
from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Callable, Dict, Optional, Tuple

from configuration import weights

#: Side of a mask region before it is doubled.
MASK_REGION = 14


def shapes(path: Path) -> Dict[str, Tuple[int, ...]]:
    """Of the tensors in a weights file, from its header."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return {name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}


def _product(shape: Tuple[int, ...]) -> int:
    found = 1
    for value in shape:
        found *= value
    return found


def _stride(name: str, is_bottleneck: bool) -> int:
    """At which fraction of the input's size a body convolution's output lies. torchvision's ResNet strides in a bottleneck's
    3 x 3 convolution, so the 1 x 1 before it still works at the size of the stage below."""
    if name == "backbone.body.conv1.weight":
        return 2
    layer, block, part = re.fullmatch(r"backbone\.body\.layer(\d)\.(\d+)\.(.*)\.weight", name).groups()  # type: ignore[union-attr]
    first = is_bottleneck and layer != "1" and block == "0" and part == "conv1"
    return 4 << (int(layer) - 1 - first)


def _passes(name: str) -> int:
    """Convolutions' worth of arithmetic in a step of training with torchvision's frozen layers: forward, and where a layer learns
    its weights' gradient and its input's."""
    if re.match(r"backbone\.body\.(conv1|layer1)", name):
        return 1
    return 2 if re.match(r"backbone\.body\.layer2\.0\.(conv1|downsample)", name) else 3


def training_gmac(path: Path, height: int, width: int, regions: float, masks: float) -> float:
    """10^9 multiply-adds of one image in a step of training with so many regions in the box and in the mask head."""
    return gmac(height, width, regions, masks, path, _passes)["total"]


def gmac(height: int, width: int, proposals: float, detections: float, path: Optional[Path] = None,
         passes: Callable[[str], int] = lambda name: 1) -> Dict[str, float]:
    """10^9 multiply-adds of each part and of all. Sides are multiples of 32."""
    found = dict.fromkeys(("backbone", "fpn", "rpn", "box_head", "mask_head"), 0.0)
    pixels = {stride: (height // stride) * (width // stride) for stride in (2, 4, 8, 16, 32)}
    # P6 is every second pixel of P5.
    pixels[64] = -(-height // 64) * -(-width // 64)
    tensors = shapes(path or weights())
    is_bottleneck = any(".conv3." in name for name in tensors)
    for name, shape in tensors.items():
        if len(shape) < 2:
            continue
        each = _product(shape) * passes(name)
        if name.startswith("backbone.body"):
            found["backbone"] += each * pixels[_stride(name, is_bottleneck)]
        elif name.startswith("backbone.fpn"):
            found["fpn"] += each * pixels[4 << int(name.split(".")[3])]
        elif name.startswith("rpn"):
            found["rpn"] += each * sum(pixels[4 << level] for level in range(5))
        elif name.startswith(("roi_heads.box_head", "roi_heads.box_predictor")):
            found["box_head"] += each * proposals
        elif name.startswith("roi_heads.mask"):
            # The last layer works on the doubled map; the transposed convolution before it on the map that it doubles.
            double = 4 if "mask_fcn_logits" in name else 1
            found["mask_head"] += each * detections * MASK_REGION ** 2 * double
    parts = {name: value / 1e9 for name, value in found.items()}
    return parts | {"total": sum(parts.values())}
