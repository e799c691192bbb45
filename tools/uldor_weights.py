# SPDX-License-Identifier: Apache-2.0
"""libuldor's weights file (docs/weights.md): the tensors it must hold, reading and writing."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

import safetensors_file
import uldor_config
from uldor_config import WeightsError

KEY = "uldor"
DTYPES = {"fp32": "F32", "fp16": "F16", "bf16": "BF16"}
FP16_MAX = 65504.0
# Rows for each class.
CLASS_LAYERS = {"roi_heads.box_predictor.cls_score": 1, "roi_heads.box_predictor.bbox_pred": 4,
                "roi_heads.mask_predictor.mask_fcn_logits": 1}

# torchvision's own renaming: ops/feature_pyramid_network.py, models/detection/rpn.py (RPNHead) and
# models/detection/mask_rcnn.py (MaskRCNNHeads), each in _load_from_state_dict.
_OLD_NAMES = (
    (re.compile(r"^backbone\.fpn\.(inner_blocks|layer_blocks)\.(\d+)\.(weight|bias)$"), r"backbone.fpn.\1.\2.0.\3"),
    (re.compile(r"^rpn\.head\.conv\.(weight|bias)$"), r"rpn.head.conv.0.0.\1"),
)
_OLD_MASK = re.compile(r"^roi_heads\.mask_head\.mask_fcn(\d+)\.(weight|bias)$")


def modern_name(name: str) -> str:
    for pattern, replacement in _OLD_NAMES:
        name = pattern.sub(replacement, name)
    return _OLD_MASK.sub(lambda m: f"roi_heads.mask_head.{int(m[1]) - 1}.0.{m[2]}", name)


def body_blocks(tensors: dict[str, np.ndarray]) -> list[int]:
    """Blocks in each of the four layers, as far as they are numbered without a gap."""
    counts = []
    for layer in range(1, 5):
        count = 0
        while f"backbone.body.layer{layer}.{count}.conv1.weight" in tensors:
            count += 1
        counts.append(count)
    return counts


def required_names(tensors: dict[str, np.ndarray]) -> Iterator[str]:
    """The parameters that the network described by these tensors must have."""
    def norm(name: str) -> Iterator[str]:
        yield from (f"{name}.{part}" for part in ("weight", "bias", "running_mean", "running_var"))

    yield "backbone.body.conv1.weight"
    yield from norm("backbone.body.bn1")
    bottleneck = "backbone.body.layer1.0.conv3.weight" in tensors
    for layer, blocks in enumerate(body_blocks(tensors), 1):
        for block in range(max(blocks, 1)):
            prefix = f"backbone.body.layer{layer}.{block}"
            for i in range(1, 4 if bottleneck else 3):
                yield f"{prefix}.conv{i}.weight"
                yield from norm(f"{prefix}.bn{i}")
            if (block == 0 and layer > 1) or f"{prefix}.downsample.0.weight" in tensors:
                yield f"{prefix}.downsample.0.weight"
                yield from norm(f"{prefix}.downsample.1")
    with_bias = [f"backbone.fpn.{kind}.{i}.0" for kind in ("inner_blocks", "layer_blocks") for i in range(4)]
    for kind in ("rpn.head.conv.{}.0", "roi_heads.mask_head.{}.0"):
        count = 1
        while f"{kind.format(count)}.weight" in tensors:
            count += 1
        with_bias += [kind.format(i) for i in range(count)]
    with_bias += ["rpn.head.cls_logits", "rpn.head.bbox_pred", "roi_heads.box_head.fc6", "roi_heads.box_head.fc7",
                  "roi_heads.box_predictor.cls_score", "roi_heads.box_predictor.bbox_pred",
                  "roi_heads.mask_predictor.conv5_mask", "roi_heads.mask_predictor.mask_fcn_logits"]
    for name in with_bias:
        yield f"{name}.weight"
        yield f"{name}.bias"


def is_by_class(name: str) -> bool:
    return name.rpartition(".")[0] in CLASS_LAYERS


def check_tensors(tensors: dict[str, np.ndarray], config: dict[str, Any], initial: bool = False) -> None:
    """`initial`: a file to begin a training with, which has no layers with rows for each class."""
    missing = [name for name in required_names(tensors) if name not in tensors and not (initial and is_by_class(name))]
    if missing:
        raise WeightsError(f"{len(missing)} tensors are missing, the first is {missing[0]}")
    for name, array in tensors.items():
        if not np.isfinite(array).all():
            raise WeightsError(f"{name} holds a NaN or an infinity")
    for name, array in tensors.items():
        if name.endswith(".conv2.weight") and array.shape[1] != tensors[name.replace("conv2", "conv1")].shape[0]:
            raise WeightsError(f"{name} is a grouped convolution (ResNeXt), which libuldor does not run")
    flat = uldor_config.complete(config)
    classes, slices = len(flat["classes"]), flat["input.slices"]
    anchors = {len(sizes) * len(flat["anchors.aspect_ratios"]) for sizes in flat["anchors.sizes"]}
    if len(anchors) != 1:
        raise WeightsError("anchors.sizes: every level needs the same number of sizes, the RPN head is shared")
    anchor_count = anchors.pop()
    for name, rows in (("rpn.head.cls_logits", anchor_count), ("rpn.head.bbox_pred", 4 * anchor_count),
                       *((name, rows * classes) for name, rows in CLASS_LAYERS.items() if not initial)):
        found = tensors[f"{name}.weight"].shape[0]
        if found != rows:
            raise WeightsError(f"{name}.weight has {found} rows, the configuration (classes, anchors) asks for {rows}")
    channels = tensors["backbone.body.conv1.weight"].shape[1]
    if channels != slices:
        raise WeightsError(f"backbone.body.conv1.weight takes {channels} channels, input.slices is {slices}")


def save(path: str | os.PathLike, tensors: dict[str, np.ndarray], config: dict[str, Any], dtype: str = "fp32",
         initial: bool = False) -> None:
    """Checks and writes. Vectors (biases, batch norm) stay float32: half precision would save nothing there."""
    uldor_config.validate(config)
    tensors = {name: np.ascontiguousarray(array, dtype="<f4") for name, array in tensors.items()}
    check_tensors(tensors, config, initial)
    dtypes = {name: DTYPES[dtype] if array.ndim > 1 else "F32" for name, array in tensors.items()}
    for name, array in tensors.items():
        if dtypes[name] == "F16" and np.abs(array).max(initial=0) > FP16_MAX:
            raise WeightsError(f"{name} does not fit in fp16; use bf16 or fp32")
    text = json.dumps(config, separators=(",", ":"), ensure_ascii=False)
    safetensors_file.save(path, tensors, {KEY: text}, dtypes)


def load(path: str | os.PathLike) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """(float32 tensors under today's names, dotted configuration with every default)."""
    tensors, metadata = safetensors_file.load(path)
    tensors = {modern_name(name): array for name, array in tensors.items() if not name.endswith("num_batches_tracked")}
    if KEY in metadata:
        config = json.loads(metadata[KEY])
    else:
        config = {"format": 1, "classes": uldor_config.CLASSES.get(len(tensors["roi_heads.box_predictor.cls_score.weight"]))}
    uldor_config.validate(config)
    check_tensors(tensors, config)
    return tensors, uldor_config.complete(config)
