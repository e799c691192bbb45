# SPDX-License-Identifier: Apache-2.0
"""Weights in torchvision's names and class order, written the way Detectron2 and MMDetection store them."""

from __future__ import annotations

import re

import numpy as np

Tensors = dict[str, np.ndarray]


def _background_last(tensors: Tensors, score: str, boxes: str, masks: str) -> Tensors:
    result = dict(tensors)
    for kind in ("weight", "bias"):
        result[f"{score}.{kind}"] = np.concatenate([tensors[f"{score}.{kind}"][1:], tensors[f"{score}.{kind}"][:1]])
        result[f"{boxes}.{kind}"] = tensors[f"{boxes}.{kind}"][4:]
        result[f"{masks}.{kind}"] = tensors[f"{masks}.{kind}"][1:]
    return result


def _renamed(tensors: Tensors, rules: list[tuple[str, object]]) -> Tensors:
    def rename(name: str) -> str:
        for pattern, replacement in rules:
            name, count = re.subn(pattern, replacement, name)
            if count:
                return name
        raise AssertionError(name)
    return {rename(name): array for name, array in tensors.items()}


def detectron2(tensors: Tensors) -> Tensors:
    named = _renamed(tensors, [
        (r"^backbone\.body\.conv1\.", "backbone.bottom_up.stem.conv1."),
        (r"^backbone\.body\.bn1\.", "backbone.bottom_up.stem.conv1.norm."),
        (r"^backbone\.body\.layer(\d)\.(\d+)\.conv", lambda m: f"backbone.bottom_up.res{int(m[1]) + 1}.{m[2]}.conv"),
        (r"^backbone\.body\.layer(\d)\.(\d+)\.bn(\d)", lambda m: f"backbone.bottom_up.res{int(m[1]) + 1}.{m[2]}.conv{m[3]}.norm"),
        (r"^backbone\.body\.layer(\d)\.(\d+)\.downsample\.0", lambda m: f"backbone.bottom_up.res{int(m[1]) + 1}.{m[2]}.shortcut"),
        (r"^backbone\.body\.layer(\d)\.(\d+)\.downsample\.1", lambda m: f"backbone.bottom_up.res{int(m[1]) + 1}.{m[2]}.shortcut.norm"),
        (r"^backbone\.fpn\.inner_blocks\.(\d)\.0", lambda m: f"backbone.fpn_lateral{int(m[1]) + 2}"),
        (r"^backbone\.fpn\.layer_blocks\.(\d)\.0", lambda m: f"backbone.fpn_output{int(m[1]) + 2}"),
        (r"^rpn\.head\.conv\.0\.0", "proposal_generator.rpn_head.conv"),
        (r"^rpn\.head\.cls_logits", "proposal_generator.rpn_head.objectness_logits"),
        (r"^rpn\.head\.bbox_pred", "proposal_generator.rpn_head.anchor_deltas"),
        (r"^roi_heads\.box_head\.fc6", "roi_heads.box_head.fc1"),
        (r"^roi_heads\.box_head\.fc7", "roi_heads.box_head.fc2"),
        (r"^roi_heads\.box_predictor\.", "roi_heads.box_predictor."),
        (r"^roi_heads\.mask_head\.(\d)\.0", lambda m: f"roi_heads.mask_head.mask_fcn{int(m[1]) + 1}"),
        (r"^roi_heads\.mask_predictor\.conv5_mask", "roi_heads.mask_head.deconv"),
        (r"^roi_heads\.mask_predictor\.mask_fcn_logits", "roi_heads.mask_head.predictor")])
    return _background_last(named, "roi_heads.box_predictor.cls_score", "roi_heads.box_predictor.bbox_pred", "roi_heads.mask_head.predictor")


def mmdetection(tensors: Tensors) -> Tensors:
    named = _renamed(tensors, [
        (r"^backbone\.body\.", "backbone."),
        (r"^backbone\.fpn\.inner_blocks\.(\d)\.0", r"neck.lateral_convs.\1.conv"),
        (r"^backbone\.fpn\.layer_blocks\.(\d)\.0", r"neck.fpn_convs.\1.conv"),
        (r"^rpn\.head\.conv\.0\.0", "rpn_head.rpn_conv"),
        (r"^rpn\.head\.cls_logits", "rpn_head.rpn_cls"),
        (r"^rpn\.head\.bbox_pred", "rpn_head.rpn_reg"),
        (r"^roi_heads\.box_head\.fc6", "roi_head.bbox_head.shared_fcs.0"),
        (r"^roi_heads\.box_head\.fc7", "roi_head.bbox_head.shared_fcs.1"),
        (r"^roi_heads\.box_predictor\.cls_score", "roi_head.bbox_head.fc_cls"),
        (r"^roi_heads\.box_predictor\.bbox_pred", "roi_head.bbox_head.fc_reg"),
        (r"^roi_heads\.mask_head\.(\d)\.0", r"roi_head.mask_head.convs.\1.conv"),
        (r"^roi_heads\.mask_predictor\.conv5_mask", "roi_head.mask_head.upsample"),
        (r"^roi_heads\.mask_predictor\.mask_fcn_logits", "roi_head.mask_head.conv_logits")])
    return _background_last(named, "roi_head.bbox_head.fc_cls", "roi_head.bbox_head.fc_reg", "roi_head.mask_head.conv_logits")


def old_torchvision(tensors: Tensors) -> Tensors:
    """Names before torchvision 0.13."""
    return _renamed(tensors, [
        (r"^backbone\.fpn\.(\w+_blocks)\.(\d)\.0", r"backbone.fpn.\1.\2"), (r"^rpn\.head\.conv\.0\.0", "rpn.head.conv"),
        (r"^roi_heads\.mask_head\.(\d)\.0", lambda m: f"roi_heads.mask_head.mask_fcn{int(m[1]) + 1}"), (r"^", "")])
