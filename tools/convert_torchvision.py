#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Converts a torchvision Mask R-CNN checkpoint (maskrcnn_resnet*_fpn) to libuldor's weights file.

CHECKPOINT is a state_dict as .pth, .pt or .safetensors, bare or as {"model": ...} or {"state_dict": ...}. Names from
before torchvision 0.13 are read too. The `_v2` models (batch norm in the FPN, convolutions in the box head) are
another network and are refused."""

from __future__ import annotations

import checkpoint_file
import converter
import uldor_weights


def main() -> None:
    parser = converter.argument_parser(__doc__)
    parser.add_argument("--batch-norm-eps", type=float, default=1e-5,
                        help="0 for torchvision's COCO_V1 weights (mask_rcnn.py calls overwrite_eps(model, 0.0)); default 1e-5")
    arguments = parser.parse_args()
    tensors = {uldor_weights.modern_name(n): a for n, a in checkpoint_file.load(arguments.checkpoint).items()}
    extra = sorted(set(tensors) - set(uldor_weights.required_names(tensors)))
    if extra:
        raise uldor_weights.WeightsError(f"{extra[0]} belongs to another network ({len(extra)} such tensors)")
    converter.finish(arguments, tensors, {"batch_norm_eps": arguments.batch_norm_eps})


if __name__ == "__main__":
    converter.run(main)
