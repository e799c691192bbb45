#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Converts a Detectron2 Mask R-CNN R-50/R-101-FPN checkpoint to libuldor's weights file.

CHECKPOINT is a model zoo .pkl or a .pth of DetectionCheckpointer, with 1 or 2 foreground classes (lesion, or lesion and
false positive in this order), or with any and --initial: a start for uldor train --arch ... --init OUTPUT. Thresholds
and anchors are not in a checkpoint: what is written are the defaults of Base-RCNN-FPN.yaml; pass what a training
changed with --config. Checked against Detectron2 0.6's own forward: detections agree to float rounding.

Images come as Detectron2's 0..255 with the checkpoint's pixel mean and std, or its defaults; --input overrides (mean
and std then in libuldor's channel order)."""

from __future__ import annotations

import re

import numpy as np

import checkpoint_file
import converter
import uldor_config
from uldor_config import WeightsError

# Module names: modeling/backbone/resnet.py and fpn.py, proposal_generator/rpn.py (StandardRPNHead),
# roi_heads/box_head.py, fast_rcnn.py (FastRCNNOutputLayers) and mask_head.py (MaskRCNNConvUpsampleHead).
_BODY = r"backbone\.bottom_up\.res([2-5])\.(\d+)\."
_NORM = r"\.norm\.(weight|bias|running_mean|running_var)"
_BOTH = r"\.(weight|bias)"
_RULES = [
    (r"backbone\.bottom_up\.stem\.conv1\.weight", r"backbone.body.conv1.weight"),
    (r"backbone\.bottom_up\.stem\.conv1" + _NORM, r"backbone.body.bn1.\1"),
    (_BODY + r"conv([123])\.weight", r"backbone.body.layer\1.\2.conv\3.weight"),
    (_BODY + r"conv([123])" + _NORM, r"backbone.body.layer\1.\2.bn\3.\4"),
    (_BODY + r"shortcut\.weight", r"backbone.body.layer\1.\2.downsample.0.weight"),
    (_BODY + r"shortcut" + _NORM, r"backbone.body.layer\1.\2.downsample.1.\3"),
    (r"backbone\.fpn_lateral([2-5])" + _BOTH, r"backbone.fpn.inner_blocks.\1.0.\2"),
    (r"backbone\.fpn_output([2-5])" + _BOTH, r"backbone.fpn.layer_blocks.\1.0.\2"),
    (r"proposal_generator\.rpn_head\.conv" + _BOTH, r"rpn.head.conv.0.0.\1"),
    (r"proposal_generator\.rpn_head\.conv\.conv(\d+)" + _BOTH, r"rpn.head.conv.\1.0.\2"),
    (r"proposal_generator\.rpn_head\.objectness_logits" + _BOTH, r"rpn.head.cls_logits.\1"),
    (r"proposal_generator\.rpn_head\.anchor_deltas" + _BOTH, r"rpn.head.bbox_pred.\1"),
    (r"roi_heads\.box_head\.fc1" + _BOTH, r"roi_heads.box_head.fc6.\1"),
    (r"roi_heads\.box_head\.fc2" + _BOTH, r"roi_heads.box_head.fc7.\1"),
    (r"roi_heads\.box_predictor\.(cls_score|bbox_pred)" + _BOTH, r"roi_heads.box_predictor.\1.\2"),
    (r"roi_heads\.mask_head\.mask_fcn(\d+)" + _BOTH, r"roi_heads.mask_head.\1.0.\2"),
    (r"roi_heads\.mask_head\.deconv" + _BOTH, r"roi_heads.mask_predictor.conv5_mask.\1"),
    (r"roi_heads\.mask_head\.predictor" + _BOTH, r"roi_heads.mask_predictor.mask_fcn_logits.\1"),
]
# Numbers that start at 2 (stages), or at 1 (mask convolutions), start at 1 and 0 in torchvision.
_SHIFTED = [(r"(backbone\.body\.layer)(\d+)(\..*)", 1), (r"(backbone\.fpn\.(?:inner|layer)_blocks\.)(\d+)(\..*)", 2),
            (r"(roi_heads\.mask_head\.)(\d+)(\..*)", 1)]
_STORED_ANCHORS = "proposal_generator.anchor_generator.cell_anchors."

_CONFIG = {
    # layers/batch_norm.py FrozenBatchNorm2d.
    "batch_norm_eps": 1e-5,
    # modeling/anchor_generator.py DefaultAnchorGenerator: fractional corners, the backbone's nominal strides, offset 0.
    "anchors": {"sizes": [[32], [64], [128], [256], [512]], "aspect_ratios": [0.5, 1, 2], "rounded": False, "stride_rule": "fixed"},
    # config/defaults.py POOLER_TYPE ROIAlignV2 (aligned), POOLER_SAMPLING_RATIO 0; modeling/poolers.py assign_boxes_to_levels.
    "roi_align": {"aligned": True, "sampling_ratio": 0, "level_rule": "detectron2", "level_eps": 1e-8},
    # proposal_generator/proposal_utils.py find_top_rpn_proposals: top-k per level, one NMS, top-k over all.
    "rpn": {"pre_nms_top_n": 1000, "post_nms_top_n": 1000, "nms_threshold": 0.7, "score_threshold": 0, "min_size": converter.ABOVE_ZERO},
    # roi_heads/fast_rcnn.py fast_rcnn_inference_single_image: no minimum size.
    "box": {"score_threshold": 0.05, "nms_threshold": 0.5, "detections": 100, "weights": [10, 10, 5, 5], "min_size": 0},
    # layers/mask_ops.py _do_paste_mask.
    "mask": {"threshold": 0.5, "paste": "continuous"},
}
# config/defaults.py PIXEL_MEAN and PIXEL_STD, in the order of INPUT.FORMAT (BGR).
_MEAN, _STD = [103.53, 116.28, 123.675], [1.0, 1.0, 1.0]


def _shift(name: str) -> str:
    for pattern, base in _SHIFTED:
        if match := re.fullmatch(pattern, name):
            return f"{match[1]}{int(match[2]) - base}{match[3]}"
    return name


def _fill_norms(tensors: dict[str, np.ndarray]) -> None:
    """Early checkpoints hold only scale and shift; FrozenBatchNorm2d._load_from_state_dict then takes mean 0 and variance 1."""
    for name in [n for n in tensors if n.endswith(".weight") and tensors[n].ndim == 1]:
        norm = name.removesuffix(".weight")
        tensors.setdefault(f"{norm}.running_mean", np.zeros_like(tensors[name]))
        tensors.setdefault(f"{norm}.running_var", np.ones_like(tensors[name]))


def _stored_anchors(tensors: dict[str, np.ndarray]) -> dict[str, list]:
    """Old checkpoints carry the cell anchors: for each size, each ratio (generate_cell_anchors)."""
    sizes, ratios = [], []
    for level in range(5):
        if f"{_STORED_ANCHORS}{level}" not in tensors:
            return {}
        box = tensors[f"{_STORED_ANCHORS}{level}"].astype(float)
        width, height = box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]
        sizes.append(list(dict.fromkeys(np.round(np.sqrt(width * height), 3).tolist())))
        ratios = list(dict.fromkeys(np.round(height / width, 4).tolist()))
    return {"sizes": sizes, "aspect_ratios": ratios}


def _ratio_major(tensors: dict[str, np.ndarray], sizes: int, ratios: int) -> None:
    """Detectron2's anchors of a cell go size by size, torchvision's ratio by ratio."""
    order = np.arange(sizes * ratios).reshape(sizes, ratios).T.ravel()
    for name, rows in (("cls_logits", 1), ("bbox_pred", 4)):
        for kind in ("weight", "bias"):
            array = tensors[f"rpn.head.{name}.{kind}"]
            if len(array) != rows * len(order):
                raise WeightsError(f"the RPN has {len(array) // rows} anchors a cell, {len(order)} are configured; see --config")
            tensors[f"rpn.head.{name}.{kind}"] = array.reshape(len(order), rows, *array.shape[1:])[order].reshape(array.shape)


def main() -> None:
    parser = converter.argument_parser(__doc__)
    converter.add_foreign_options(parser)
    arguments = parser.parse_args()

    stored = checkpoint_file.load(arguments.checkpoint)
    renamed = converter.rename(stored, _RULES, r"pixel_(mean|std)|proposal_generator\.anchor_generator\..*")
    tensors = {_shift(name): array for name, array in renamed.items()}
    msra = converter.stride_in_1x1(arguments.stride_in_1x1, tensors)
    _fill_norms(tensors)
    if not arguments.initial:
        tensors = converter.background_first(tensors)

    mean, std = (stored[n].ravel().tolist() if n in stored else default
                 for n, default in (("pixel_mean", _MEAN), ("pixel_std", _STD)))
    if arguments.channel_order == "reverse":
        mean, std = converter.reverse_channels(tensors, mean, std)
    config = uldor_config.merge(_CONFIG, {"stride_in_1x1": msra, "anchors": _stored_anchors(stored),
                                          "input": {"range": [0, 255], "mean": mean, "std": std}})
    anchors = uldor_config.flatten(uldor_config.merge(config, arguments.config))
    if "rpn.head.cls_logits.bias" in tensors:
        _ratio_major(tensors, len(anchors["anchors.sizes"][0]), len(anchors["anchors.aspect_ratios"]))
    converter.finish(arguments, tensors, config)


if __name__ == "__main__":
    converter.run(main)
