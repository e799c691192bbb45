#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every intermediate of a weights file's forward pass, computed by torchvision.

`reference(weights, tensor)` opens up GeneralizedRCNN.forward and asserts that the parts give what the model itself gives.
The stage_* functions run one part each on given inputs, so that an error is measured where it arises. Tensors are NCHW
float32 with a batch of one; boxes are x1, y1, x2, y2 in input pixels; labels count the background as 0."""

from __future__ import annotations

import argparse
import os
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import maskrcnn_inference, paste_masks_in_image
from torchvision.models.detection.rpn import concat_box_prediction_layers

import safetensors_file
import torchvision_model
from torchvision_model import LEVELS

Size = tuple[int, int]


def _maps(features: Sequence[Tensor]) -> OrderedDict[str, Tensor]:
    return OrderedDict(zip([*LEVELS, "pool"], features))


def stage_stem(model: MaskRCNN, padded: Tensor) -> Tensor:
    body = model.backbone.body
    return body.maxpool(body.relu(body.bn1(body.conv1(padded))))


def stage_c(model: MaskRCNN, level: int, previous: Tensor) -> Tensor:
    """C2..C5 from the map below it; C2 from the stem's."""
    return model.backbone.body[f"layer{level - 1}"](previous)


def stage_fpn(model: MaskRCNN, c: Sequence[Tensor]) -> list[Tensor]:
    """P2..P6 from C2..C5."""
    return list(model.backbone.fpn(OrderedDict(zip(LEVELS, c))).values())


def stage_rpn_head(model: MaskRCNN, p: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """(objectness logits, deltas), one map a level."""
    return model.rpn.head(list(p))


def stage_proposals(model: MaskRCNN, objectness: Sequence[Tensor], deltas: Sequence[Tensor], image_size: Size,
                    padded: Size) -> tuple[Tensor, Tensor]:
    """(boxes, scores) as RegionProposalNetwork.forward computes them after its head."""
    rpn = model.rpn
    # Of the images and maps, the anchor generator looks at nothing but their sizes and dtype.
    images = ImageList(objectness[0].new_empty((1, 1, *padded)), [image_size])
    anchors = rpn.anchor_generator(images, list(objectness))
    counts = [o[0].numel() for o in objectness]
    flat_objectness, flat_deltas = concat_box_prediction_layers(list(objectness), list(deltas))
    boxes = rpn.box_coder.decode(flat_deltas, anchors).view(1, -1, 4)
    boxes, scores = rpn.filter_proposals(boxes, flat_objectness, [image_size], counts)
    return boxes[0], scores[0]


def stage_box_roi_align(model: MaskRCNN, p: Sequence[Tensor], boxes: Tensor, image_size: Size) -> Tensor:
    return model.roi_heads.box_roi_pool(_maps(p), [boxes], [image_size])


def stage_box_head(model: MaskRCNN, features: Tensor) -> tuple[Tensor, Tensor]:
    """(class logits, box deltas)."""
    return model.roi_heads.box_predictor(model.roi_heads.box_head(features))


def stage_box_post(model: MaskRCNN, logits: Tensor, deltas: Tensor, proposals: Tensor, image_size: Size) -> tuple[Tensor, Tensor, Tensor]:
    """(boxes, scores, labels), best first."""
    boxes, scores, labels = model.roi_heads.postprocess_detections(logits, deltas, [proposals], [image_size])
    return boxes[0], scores[0], labels[0]


def stage_mask_roi_align(model: MaskRCNN, p: Sequence[Tensor], boxes: Tensor, image_size: Size) -> Tensor:
    return model.roi_heads.mask_roi_pool(_maps(p), [boxes], [image_size])


def stage_mask_head(model: MaskRCNN, features: Tensor) -> Tensor:
    """Mask logits of every class."""
    return model.roi_heads.mask_predictor(model.roi_heads.mask_head(features))


def stage_mask_select(logits: Tensor, labels: Tensor) -> Tensor:
    """Probabilities of each detection's own class, Nx1x28x28."""
    return maskrcnn_inference(logits, [labels])[0]


def stage_paste(model: MaskRCNN, masks: Tensor, boxes: Tensor, image_size: Size) -> Tensor:
    """Probabilities on the image, NxHxW; not thresholded."""
    paste = torchvision_model.paste_continuous if model.pastes_continuously else paste_masks_in_image
    return paste(masks, boxes, image_size)[:, 0]


def intermediates(model: MaskRCNN, image: Tensor) -> dict[str, Tensor]:
    """Everything between a normalised CxHxW tensor and the pasted masks."""
    out: dict[str, Tensor] = {}
    images = torchvision_model.network_input(model, image)
    size, padded = tuple(image.shape[-2:]), images.tensors
    out["padded"] = padded
    x = out["stem"] = stage_stem(model, padded)
    for level in range(2, 6):
        x = out[f"c{level}"] = stage_c(model, level, x)
    p = stage_fpn(model, [out[f"c{level}"] for level in range(2, 6)])
    out |= {f"p{level}": map_ for level, map_ in enumerate(p, 2)}
    objectness, deltas = stage_rpn_head(model, p)
    out |= {f"objectness.{i}": o for i, o in enumerate(objectness)} | {f"deltas.{i}": d for i, d in enumerate(deltas)}
    out["proposals"], out["proposal_scores"] = stage_proposals(model, objectness, deltas, size, tuple(padded.shape[-2:]))
    out["box_features"] = stage_box_roi_align(model, p, out["proposals"], size)
    out["box_logits"], out["box_deltas"] = stage_box_head(model, out["box_features"])
    out["boxes"], out["scores"], out["labels"] = stage_box_post(model, out["box_logits"], out["box_deltas"], out["proposals"], size)
    out["mask_features"] = stage_mask_roi_align(model, p, out["boxes"], size)
    out["mask_logits"] = stage_mask_head(model, out["mask_features"])
    out["masks28"] = stage_mask_select(out["mask_logits"], out["labels"])
    out["masks_pasted"] = stage_paste(model, out["masks28"], out["boxes"], size)
    return out


@torch.no_grad()
def reference(weights: str | os.PathLike, tensor: np.ndarray | Tensor, override: dict[str, Any] | None = None) -> dict[str, np.ndarray]:
    """All intermediates as numpy arrays (labels int32, everything else float32); `override` replaces dotted fields."""
    model, _ = torchvision_model.load(weights, override=override)
    image = torch.as_tensor(tensor, dtype=torch.float32)
    parts = intermediates(model, image)
    whole = model([image])[0]
    for name, mine in (("boxes", "boxes"), ("scores", "scores"), ("labels", "labels"), ("masks", "masks_pasted")):
        theirs = whole[name][:, 0] if name == "masks" else whole[name]
        assert torch.equal(theirs, parts[mine]), f"the opened-up path and the model disagree on {name}"
    return {n: v.numpy().astype(np.int32) if n == "labels" else v.contiguous().numpy() for n, v in parts.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights")
    parser.add_argument("input", help=".safetensors with a CxHxW tensor `input`")
    parser.add_argument("output", help=".safetensors for the intermediates")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    image = safetensors_file.load(arguments.input)[0]["input"]
    safetensors_file.save(arguments.output, reference(arguments.weights, image))


if __name__ == "__main__":
    main()
