#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Converts an MMDetection (2.x, 3.x) Mask R-CNN R-50/R-101-FPN checkpoint to libuldor's weights file.

CHECKPOINT is a .pth with 1 or 2 foreground classes (lesion, or lesion and false positive in this order), or with any
and --initial: a start for uldor train --arch ... --init OUTPUT. The configuration is not read from it: what is written
is configs/_base_/models/mask-rcnn_r50_fpn.py; pass what a training changed with --config. Checked against MMDetection 3.3's
own forward: detections agree to float rounding. One difference is not expressed: MMDetection also keeps a box from
shrinking by more than 1000/16.

Images come as 0..255 with the mean and std of the pytorch or of the caffe style, whichever --stride-in-1x1 says;
--input overrides (mean and std then in libuldor's channel order)."""

from __future__ import annotations

import checkpoint_file
import converter
import uldor_config

# Module names: models/backbones/resnet.py (as torchvision's), necks/fpn.py, dense_heads/rpn_head.py,
# roi_heads/bbox_heads/convfc_bbox_head.py (Shared2FCBBoxHead), roi_heads/mask_heads/fcn_mask_head.py.
_BOTH = r"\.(weight|bias)"
_RULES = [
    (r"backbone\.((?:conv1|bn1|layer[1-4]\.\d+\.(?:conv[123]|bn[123]|downsample\.[01]))\.\w+)", r"backbone.body.\1"),
    (r"neck\.lateral_convs\.([0-3])\.conv" + _BOTH, r"backbone.fpn.inner_blocks.\1.0.\2"),
    (r"neck\.fpn_convs\.([0-3])\.conv" + _BOTH, r"backbone.fpn.layer_blocks.\1.0.\2"),
    (r"rpn_head\.rpn_conv" + _BOTH, r"rpn.head.conv.0.0.\1"),
    (r"rpn_head\.rpn_conv\.(\d+)\.conv" + _BOTH, r"rpn.head.conv.\1.0.\2"),
    (r"rpn_head\.rpn_cls" + _BOTH, r"rpn.head.cls_logits.\1"),
    (r"rpn_head\.rpn_reg" + _BOTH, r"rpn.head.bbox_pred.\1"),
    (r"roi_head\.bbox_head\.shared_fcs\.0" + _BOTH, r"roi_heads.box_head.fc6.\1"),
    (r"roi_head\.bbox_head\.shared_fcs\.1" + _BOTH, r"roi_heads.box_head.fc7.\1"),
    (r"roi_head\.bbox_head\.fc_cls" + _BOTH, r"roi_heads.box_predictor.cls_score.\1"),
    (r"roi_head\.bbox_head\.fc_reg" + _BOTH, r"roi_heads.box_predictor.bbox_pred.\1"),
    (r"roi_head\.mask_head\.convs\.(\d+)\.conv" + _BOTH, r"roi_heads.mask_head.\1.0.\2"),
    (r"roi_head\.mask_head\.upsample" + _BOTH, r"roi_heads.mask_predictor.conv5_mask.\1"),
    (r"roi_head\.mask_head\.conv_logits" + _BOTH, r"roi_heads.mask_predictor.mask_fcn_logits.\1"),
]

_CONFIG = {
    # nn.BatchNorm2d.
    "batch_norm_eps": 1e-5,
    # task_modules/prior_generators/anchor_generator.py: base size = stride, times scale 8; nothing rounded, ratio by ratio
    # as in torchvision, the configured strides 4..64.
    "anchors": {"sizes": [[32], [64], [128], [256], [512]], "aspect_ratios": [0.5, 1, 2], "rounded": False, "stride_rule": "fixed"},
    # mmcv/ops/roi_align.py RoIAlign: aligned by default; roi_extractors/single_level_roi_extractor.py map_roi_levels.
    "roi_align": {"aligned": True, "sampling_ratio": 0, "level_rule": "mmdetection", "level_eps": 1e-6},
    # dense_heads/rpn_head.py _predict_by_feat_single, _bbox_post_process: min_bbox_size 0 keeps sides above 0.
    "rpn": {"pre_nms_top_n": 1000, "post_nms_top_n": 1000, "nms_threshold": 0.7, "score_threshold": 0, "min_size": converter.ABOVE_ZERO},
    # models/layers/bbox_nms.py multiclass_nms: no minimum size; target_stds 0.1, 0.1, 0.2, 0.2 are the weights' inverses.
    "box": {"score_threshold": 0.05, "nms_threshold": 0.5, "detections": 100, "weights": [10, 10, 5, 5], "min_size": 0},
    # roi_heads/mask_heads/fcn_mask_head.py _do_paste_mask.
    "mask": {"threshold": 0.5, "paste": "continuous"},
}
# data_preprocessor of configs/_base_/models/mask-rcnn_r50_fpn.py (RGB) and of configs/mask_rcnn/*caffe* (BGR).
_PYTORCH = converter.IMAGENET_MEAN, converter.IMAGENET_STD
_CAFFE = [103.53, 116.28, 123.675], [1.0, 1.0, 1.0]


def main() -> None:
    parser = converter.argument_parser(__doc__)
    converter.add_foreign_options(parser)
    arguments = parser.parse_args()

    tensors = converter.rename(checkpoint_file.load(arguments.checkpoint), _RULES, r"data_preprocessor\..*")
    caffe = converter.stride_in_1x1(arguments.stride_in_1x1, tensors)
    if not arguments.initial:
        tensors = converter.background_first(tensors)
    mean, std = _CAFFE if caffe else _PYTORCH
    if arguments.channel_order == "reverse":
        mean, std = converter.reverse_channels(tensors, mean, std)
    config = uldor_config.merge(_CONFIG, {"stride_in_1x1": caffe, "input": {"range": [0, 255], "mean": mean, "std": std}})
    converter.finish(arguments, tensors, config)


if __name__ == "__main__":
    converter.run(main)
