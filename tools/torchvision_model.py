# SPDX-License-Identifier: Apache-2.0
"""A libuldor weights file as a torchvision MaskRCNN: any ResNet, 2 or 3 classes, every field of the configuration.

With the default configuration nothing but torchvision's own classes run. Fields that torchvision does not know
(aligned RoIAlign, Detectron2's levels, best_class, ...) replace one part of the model each."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.rpn import RPNHead
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet
from torchvision.ops import MultiScaleRoIAlign, boxes as box_ops, roi_align
from torchvision.ops.misc import FrozenBatchNorm2d

import uldor_weights

LEVELS = ["0", "1", "2", "3"]
STRIDES = [4, 8, 16, 32, 64]


class NarrowResNet(ResNet):
    """torchvision's ResNet with the widths as arguments; ResNet.__init__ has 64..512 written into it."""

    def __init__(self, block: type, blocks: list[int], channels: int, stem: int, widths: list[int], norm_layer: Any) -> None:
        nn.Module.__init__(self)
        self._norm_layer = norm_layer
        self.inplanes, self.dilation, self.groups, self.base_width = stem, 1, 1, 64
        self.conv1 = nn.Conv2d(channels, stem, 7, stride=2, padding=3, bias=False)
        self.bn1 = norm_layer(stem)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        for i, (count, width) in enumerate(zip(blocks, widths), 1):
            setattr(self, f"layer{i}", self._make_layer(block, width, count, stride=1 if i == 1 else 2))


class ConfiguredAnchors(AnchorGenerator):
    """Base anchors that are not rounded (Detectron2, MMDetection) and nominal strides instead of padded size // grid size."""

    def __init__(self, sizes: tuple, ratios: tuple, rounded: bool, fixed: bool) -> None:
        self.rounded, self.fixed = rounded, fixed
        super().__init__(sizes, ratios)

    def generate_anchors(self, scales: Any, aspect_ratios: Any, dtype: torch.dtype = torch.float32,
                         device: torch.device = torch.device("cpu")) -> Tensor:
        scales, ratios = torch.as_tensor(scales, dtype=dtype), torch.as_tensor(aspect_ratios, dtype=dtype)
        height = torch.sqrt(ratios)
        w, h = ((1 / height)[:, None] * scales).view(-1), (height[:, None] * scales).view(-1)
        base = torch.stack([-w, -h, w, h], 1) / 2
        return base.round() if self.rounded else base

    def grid_anchors(self, grid_sizes: Any, strides: Any) -> list[Tensor]:
        return super().grid_anchors(grid_sizes, [[torch.tensor(s)] * 2 for s in STRIDES] if self.fixed else strides)


class ConfiguredRoIAlign(MultiScaleRoIAlign):
    """RoIAlign over P2..P5 as Detectron2's ROIPooler and MMDetection's SingleRoIExtractor do it."""

    def __init__(self, size: int, config: dict[str, Any]) -> None:
        super().__init__(LEVELS, size, config["roi_align.sampling_ratio"])
        self.config = config

    def levels(self, boxes: Tensor) -> Tensor:
        side = torch.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
        eps, rule = self.config["roi_align.level_eps"], self.config["roi_align.level_rule"]
        if rule == "torchvision":
            level = 2 + torch.log2(side / 224) + torch.tensor(eps, dtype=side.dtype)
        elif rule == "detectron2":
            level = 2 + torch.log2(side / 224 + eps)
        else:
            level = torch.log2(side / 56 + eps)
        return torch.floor(level).clamp(0, 3).long()

    def forward(self, features: dict[str, Tensor], boxes: list[Tensor], image_sizes: Any) -> Tensor:
        levels = self.levels(boxes[0])
        result = features["0"].new_zeros((len(boxes[0]), features["0"].shape[1], *self.output_size))
        for i, name in enumerate(LEVELS):
            here = torch.where(levels == i)[0]
            result[here] = roi_align(features[name], [boxes[0][here]], self.output_size, 1 / STRIDES[i],
                                     self.config["roi_align.sampling_ratio"], self.config["roi_align.aligned"])
        return result


def configured_detections(heads: nn.Module, min_size: float, best: bool, logits: Tensor, deltas: Tensor, proposals: list[Tensor],
                          image_sizes: list[tuple[int, int]]) -> tuple[list[Tensor], ...]:
    """RoIHeads.postprocess_detections for one image, with a configured minimum size and, if `best`, only the larger of the
    foreground probabilities of each RoI (the first of equal ones)."""
    boxes = heads.box_coder.decode(deltas, proposals)
    boxes = box_ops.clip_boxes_to_image(boxes, image_sizes[0])[:, 1:]
    scores = F.softmax(logits, -1)[:, 1:]
    labels = torch.arange(1, logits.shape[-1]).expand_as(scores)
    keep = scores > heads.score_thresh
    if best:
        keep = keep & F.one_hot(scores.argmax(1), scores.shape[1]).bool()
    boxes, scores, labels = boxes[keep], scores[keep], labels[keep]
    keep = box_ops.remove_small_boxes(boxes, min_size)
    boxes, scores, labels = boxes[keep], scores[keep], labels[keep]
    keep = box_ops.batched_nms(boxes, scores, labels, heads.nms_thresh)[:heads.detections_per_img]
    return [boxes[keep]], [scores[keep]], [labels[keep]]


def paste_continuous(masks: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """The mask at each pixel's centre, zero beyond the mask's outer samples (Detectron2, layers/mask_ops.py _do_paste_mask)."""
    def axis(length: int, low: Tensor, high: Tensor) -> Tensor:
        centres = torch.arange(length, dtype=boxes.dtype) + 0.5
        return (centres - low[:, None]) / (high - low)[:, None] * 2 - 1
    if not len(masks):
        return masks.new_zeros((0, 1, *size))
    x, y = axis(size[1], boxes[:, 0], boxes[:, 2]), axis(size[0], boxes[:, 1], boxes[:, 3])
    grid = torch.stack([x[:, None, :].expand(-1, size[0], -1), y[:, :, None].expand(-1, -1, size[1])], 3)
    return F.grid_sample(masks, grid, align_corners=False)


def _postprocess_continuous(result: list[dict[str, Tensor]], image_sizes: Any, original_sizes: Any) -> list[dict[str, Tensor]]:
    for detections, size in zip(result, original_sizes):
        detections["masks"] = paste_continuous(detections["masks"], detections["boxes"], size)
    return result


@dataclass
class Architecture:
    """What the shapes of the parameters say."""

    bottleneck: bool
    blocks: list[int]
    stem: int
    widths: list[int]  # of the convolutions inside the blocks; a bottleneck's output is four times as wide
    fpn: int
    fc: tuple[int, int]
    mask: list[int]
    mask_up: int
    classes: int
    rpn_convolutions: int = 1

    @classmethod
    def of(cls, tensors: dict[str, Any]) -> Architecture:
        def rows(name: str) -> int:
            return tensors[f"{name}.weight"].shape[0]

        def count(pattern: str) -> int:
            return next(i for i in itertools.count() if pattern.format(i) not in tensors)

        return cls(
            bottleneck="backbone.body.layer1.0.conv3.weight" in tensors, blocks=uldor_weights.body_blocks(tensors),
            stem=rows("backbone.body.conv1"), widths=[rows(f"backbone.body.layer{i}.0.conv1") for i in range(1, 5)],
            fpn=rows("backbone.fpn.layer_blocks.0.0"), fc=(rows("roi_heads.box_head.fc6"), rows("roi_heads.box_head.fc7")),
            mask=[rows(f"roi_heads.mask_head.{i}.0") for i in range(count("roi_heads.mask_head.{}.0.weight"))],
            # A transposed convolution's weight is (in, out, height, width).
            mask_up=tensors["roi_heads.mask_predictor.conv5_mask.weight"].shape[1],
            classes=rows("roi_heads.box_predictor.cls_score"), rpn_convolutions=count("rpn.head.conv.{}.0.weight"))


def _body(a: Architecture, slices: int, stride_in_1x1: bool, norm_layer: Any) -> NarrowResNet:
    body = NarrowResNet(Bottleneck if a.bottleneck else BasicBlock, a.blocks, slices, a.stem, a.widths, norm_layer)
    if stride_in_1x1 and a.bottleneck:
        for layer in (body.layer2, body.layer3, body.layer4):
            layer[0].conv1.stride, layer[0].conv2.stride = (2, 2), (1, 1)
    return body


def _anchors(config: dict[str, Any]) -> AnchorGenerator:
    sizes, ratios = tuple(map(tuple, config["anchors.sizes"])), (tuple(config["anchors.aspect_ratios"]),) * 5
    rounded, fixed = config["anchors.rounded"], config["anchors.stride_rule"] == "fixed"
    return AnchorGenerator(sizes, ratios) if rounded and not fixed else ConfiguredAnchors(sizes, ratios, rounded, fixed)


def _roi_align(size: int, config: dict[str, Any]) -> nn.Module:
    stock = (config["roi_align.aligned"], config["roi_align.level_rule"], config["roi_align.level_eps"]) == (False, "torchvision", 1e-6)
    return MultiScaleRoIAlign(LEVELS, size, config["roi_align.sampling_ratio"]) if stock else ConfiguredRoIAlign(size, config)


def build(a: Architecture, config: dict[str, Any], norm_layer: Any = None) -> MaskRCNN:
    """`config` is dotted and complete."""
    slices, out = config["input.slices"], 4 if a.bottleneck else 1
    body = _body(a, slices, config["stride_in_1x1"], norm_layer or partial(FrozenBatchNorm2d, eps=config["batch_norm_eps"]))
    backbone = BackboneWithFPN(body, {f"layer{i + 1}": name for i, name in enumerate(LEVELS)}, [w * out for w in a.widths], a.fpn)
    anchors = _anchors(config)
    box_head = TwoMLPHead(a.fpn * 49, a.fc[0])
    box_head.fc7 = nn.Linear(*a.fc)
    model = MaskRCNN(
        backbone, None, image_mean=[0.0] * slices, image_std=[1.0] * slices,
        size_divisible=config["input.size_divisor"], rpn_anchor_generator=anchors,
        rpn_head=RPNHead(a.fpn, anchors.num_anchors_per_location()[0], a.rpn_convolutions),
        rpn_pre_nms_top_n_test=config["rpn.pre_nms_top_n"], rpn_post_nms_top_n_test=config["rpn.post_nms_top_n"],
        rpn_nms_thresh=config["rpn.nms_threshold"], rpn_score_thresh=config["rpn.score_threshold"],
        box_roi_pool=_roi_align(7, config), box_head=box_head, box_predictor=FastRCNNPredictor(a.fc[1], a.classes),
        box_score_thresh=config["box.score_threshold"], box_nms_thresh=config["box.nms_threshold"],
        box_detections_per_img=config["box.detections"], bbox_reg_weights=tuple(map(float, config["box.weights"])),
        mask_roi_pool=_roi_align(14, config), mask_head=MaskRCNNHeads(a.fpn, a.mask, 1),
        mask_predictor=MaskRCNNPredictor(a.mask[-1], a.mask_up, a.classes))
    model.transform.resize = lambda image, target=None: (image, target)
    model.rpn.min_size = config["rpn.min_size"]
    best = config["class_rule"] == "best_class"
    if best or config["box.min_size"] != 1e-2:
        model.roi_heads.postprocess_detections = partial(configured_detections, model.roi_heads, config["box.min_size"], best)
    model.pastes_continuously = config["mask.paste"] == "continuous"
    if model.pastes_continuously:
        model.transform.postprocess = _postprocess_continuous
    return model.eval()


def load(path: str | os.PathLike, dtype: torch.dtype = torch.float32, override: dict[str, Any] | None = None) -> tuple[MaskRCNN, dict[str, Any]]:
    """(model, dotted configuration) of a weights file; `override` replaces dotted fields."""
    tensors, config = uldor_weights.load(path)
    config |= override or {}
    model = build(Architecture.of(tensors), config)
    model.load_state_dict({n: torch.from_numpy(np.array(a)) for n, a in tensors.items() if n in model.state_dict()}, strict=True)
    return model.requires_grad_(False).to(dtype), config


def network_input(model: MaskRCNN, image: Tensor) -> ImageList:
    """A normalised CxHxW tensor, padded with zeros at right and bottom."""
    return model.transform([image])[0]
