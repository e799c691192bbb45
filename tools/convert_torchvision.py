#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Converts a torchvision Mask R-CNN checkpoint (maskrcnn_resnet*_fpn) to libuldor's weights file.

CHECKPOINT is a state_dict as .pth, .pt or .safetensors, bare or as {"model": ...} or {"state_dict": ...}. Names from
before torchvision 0.13 are read too. The `_v2` models (batch norm in the FPN, convolutions in the box head) are
another network and are refused.

It has 2 or 3 classes with the background, or any (COCO's 91) and --initial: a start for uldor train --arch ... --init
OUTPUT. The input's mean and std are then those that torchvision's detectors have by default, not libuldor's.

A ResNet for classification (ImageNet's resnet18 to resnet101: conv1, layer1 ... fc) becomes a file of the backbone's tensors
alone: no network to detect with, but one to begin a training with (uldor train --arch ... --init OUTPUT)."""

from __future__ import annotations

import numpy as np

import checkpoint_file
import converter
import safetensors_file
import uldor_weights

BODY = "backbone.body."


def classifier_body(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray] | None:
    """A classification ResNet's tensors as the backbone's, without fc; None where it is none."""
    if "conv1.weight" not in tensors:
        return None
    body = {BODY + name: array for name, array in tensors.items() if not name.startswith("fc.")}
    required = {name for name in uldor_weights.required_names(body) if name.startswith(BODY)}
    for what, names in (("is missing", required - body.keys()), ("belongs to another network", body.keys() - required)):
        if names:
            raise uldor_weights.WeightsError(f"{min(names).removeprefix(BODY)} {what} ({len(names)} such tensors)")
    return body


def main() -> None:
    parser = converter.argument_parser(__doc__)
    parser.add_argument("--batch-norm-eps", type=float, default=1e-5,
                        help="0 for torchvision's COCO_V1 weights (mask_rcnn.py calls overwrite_eps(model, 0.0)); default 1e-5")
    arguments = parser.parse_args()
    loaded = checkpoint_file.load(arguments.checkpoint)
    if body := classifier_body(loaded):
        safetensors_file.save(arguments.output, {name: np.ascontiguousarray(array, dtype="<f4") for name, array in body.items()})
        print(f"{arguments.output}: {len(body)} tensors of a backbone, without its classifier")
        return
    tensors = {uldor_weights.modern_name(n): a for n, a in loaded.items()}
    extra = sorted(set(tensors) - set(uldor_weights.required_names(tensors)))
    if extra:
        raise uldor_weights.WeightsError(f"{extra[0]} belongs to another network ({len(extra)} such tensors)")
    config = {"batch_norm_eps": arguments.batch_norm_eps}
    if arguments.initial:
        # A detector of lesions was trained by tools/train_demo.py, on libuldor's input; another by torchvision, on its own.
        config["input"] = {"mean": converter.IMAGENET_MEAN, "std": converter.IMAGENET_STD}
    converter.finish(arguments, tensors, config)


if __name__ == "__main__":
    converter.run(main)
