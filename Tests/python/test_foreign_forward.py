# SPDX-License-Identifier: Apache-2.0
"""Converted weights run by torchvision_reference against Detectron2's and MMDetection's own forward on the same weights.

Skipped where the framework is not installed. The body is a narrow ResNet-50, so that the bottleneck's stride is tested; the
slice is padded to 160 rows, where P6 has 3 and torchvision's stride would be 53 instead of 64; the anchors are small enough
for that to show."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")

import foreign_names

TOOLS = Path(__file__).parents[2] / "tools"
sys.path.insert(0, str(TOOLS))

import make_weights
import safetensors_file
import torchvision_reference
from synthetic_slice import ct_like

HEIGHT, WIDTH = 150, 201
WIDTHS = {"stem": 16, "widths": [16, 32, 64, 128], "fpn": 32, "fc": 64, "mask": 32}


@pytest.fixture(scope="module", params=[2, 3])
def tensors(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    config = make_weights.configuration("narrow resnet50", request.param, small_anchors=True)
    make_weights.make(path, make_weights.architecture("resnet50", request.param, WIDTHS), config, (HEIGHT, WIDTH), seed=3, foreground_bias=-3.0)
    return safetensors_file.load(path)[0]


def converted(framework: str, checkpoint: Path, msra: bool) -> Path:
    out = checkpoint.with_suffix(".safetensors")
    command = [sys.executable, str(TOOLS / f"convert_{framework}.py"), str(checkpoint), str(out), "--stride-in-1x1", "yes" if msra else "no",
               "--config", json.dumps({"class_rule": "per_class", "anchors": {"sizes": make_weights.SMALL_ANCHORS}})]
    subprocess.run(command, check=True)
    return out


def assert_agrees(ours: dict[str, np.ndarray], boxes: torch.Tensor, scores: torch.Tensor, labels: torch.Tensor, masks: torch.Tensor,
                  proposals: torch.Tensor) -> None:
    """`labels` without the background, `masks` thresholded on the slice. Nearly tied detections may stand in another order."""
    assert ours["proposals"].shape == tuple(proposals.shape)
    apart = np.abs(ours["proposals"][:, None] - proposals.numpy()[None]).max(2)
    assert (apart.min(1) < 1e-2).mean() > 0.995
    assert len(ours["boxes"]) == len(boxes) == 100
    apart = np.abs(ours["boxes"][None] - boxes.numpy()[:, None]).max(2) + 1e3 * (ours["labels"][None] - 1 != labels.numpy()[:, None])
    match = apart.argmin(1)
    assert apart.min(1).max() < 1e-2 and len(set(match)) == 100
    assert np.abs(ours["scores"][match] - scores.numpy()).max() < 1e-4
    assert ((ours["masks_pasted"][match] >= 0.5) != masks.numpy()).mean() < 1e-4


@pytest.mark.skipif(find_spec("detectron2") is None, reason="Detectron2 is not installed")
@pytest.mark.parametrize("msra", [False, True])
@torch.no_grad()
def test_detectron2(tensors: dict[str, np.ndarray], tmp_path: Path, msra: bool) -> None:
    from detectron2 import model_zoo
    from detectron2.checkpoint import DetectionCheckpointer
    from detectron2.layers.mask_ops import paste_masks_in_image
    from detectron2.modeling import build_model

    config = model_zoo.get_config("COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml")
    model = config.MODEL
    model.DEVICE, model.WEIGHTS, model.PIXEL_MEAN = "cpu", "", [0.0, 0.0, 0.0]
    model.RESNETS.STEM_OUT_CHANNELS, model.RESNETS.RES2_OUT_CHANNELS, model.RESNETS.WIDTH_PER_GROUP = 16, 64, 16
    model.RESNETS.STRIDE_IN_1X1 = msra
    model.ANCHOR_GENERATOR.SIZES = make_weights.SMALL_ANCHORS
    model.FPN.OUT_CHANNELS, model.ROI_BOX_HEAD.FC_DIM, model.ROI_MASK_HEAD.CONV_DIM = 32, 64, 32
    model.ROI_HEADS.NUM_CLASSES = len(tensors["roi_heads.box_predictor.cls_score.bias"]) - 1
    theirs = build_model(config).eval()
    state = {n: torch.from_numpy(a.copy()) for n, a in foreign_names.detectron2(tensors).items()}
    theirs.load_state_dict(state, strict=True)
    DetectionCheckpointer(theirs, str(tmp_path)).save("model")

    image = torch.from_numpy(ct_like(HEIGHT, WIDTH, seed=9))
    ours = torchvision_reference.reference(converted("detectron2", tmp_path / "model.pth", msra), image)
    images = theirs.preprocess_image([{"image": image}])
    features = theirs.backbone(images.tensor)
    proposals, _ = theirs.proposal_generator(images, features, None)
    found = theirs.inference([{"image": image}], do_postprocess=False)[0]
    masks = paste_masks_in_image(found.pred_masks[:, 0], found.pred_boxes, (HEIGHT, WIDTH), 0.5)
    for level in range(2, 7):
        assert np.abs(ours[f"p{level}"] - features[f"p{level}"].numpy()).max() < 1e-4
    assert_agrees(ours, found.pred_boxes.tensor, found.scores, found.pred_classes, masks, proposals[0].proposal_boxes.tensor)


@pytest.mark.skipif(find_spec("mmdet") is None, reason="MMDetection is not installed")
@pytest.mark.parametrize("caffe", [False, True])
@torch.no_grad()
def test_mmdetection(tensors: dict[str, np.ndarray], tmp_path: Path, caffe: bool) -> None:
    import mmdet
    from mmdet.registry import MODELS
    from mmdet.structures import DetDataSample
    from mmdet.utils import register_all_modules
    from mmengine.config import Config

    register_all_modules()
    config = Config.fromfile(str(Path(mmdet.__file__).parent / ".mim/configs/_base_/models/mask-rcnn_r50_fpn.py")).model
    foreground = len(tensors["roi_heads.box_predictor.cls_score.bias"]) - 1
    config.backbone.update(base_channels=16, stem_channels=16, style="caffe" if caffe else "pytorch", init_cfg=None)
    config.neck.update(in_channels=[64, 128, 256, 512], out_channels=32)
    config.rpn_head.update(in_channels=32, feat_channels=32)
    config.rpn_head.anchor_generator.update(scales=[1.0], base_sizes=[s for s, in make_weights.SMALL_ANCHORS])
    head = config.roi_head
    head.bbox_roi_extractor.out_channels = head.mask_roi_extractor.out_channels = 32
    head.bbox_head.update(in_channels=32, fc_out_channels=64, num_classes=foreground)
    head.mask_head.update(in_channels=32, conv_out_channels=32, num_classes=foreground)
    theirs = MODELS.build(config).eval()
    state = {n: torch.from_numpy(a.copy()) for n, a in foreign_names.mmdetection(tensors).items()}
    missing, unexpected = theirs.load_state_dict(state, strict=False)
    assert not unexpected and all(n.endswith("num_batches_tracked") for n in missing)
    torch.save({"meta": {"config": config}, "state_dict": theirs.state_dict()}, tmp_path / "model.pth")

    image = torch.from_numpy(ct_like(HEIGHT, WIDTH, seed=9))
    ours = torchvision_reference.reference(converted("mmdetection", tmp_path / "model.pth", caffe), image)
    padded = torch.zeros(1, 3, 160, 224)
    padded[..., :HEIGHT, :WIDTH] = image
    sample = DetDataSample(metainfo={"img_shape": (HEIGHT, WIDTH), "ori_shape": (HEIGHT, WIDTH), "scale_factor": (1.0, 1.0),
                                     "batch_input_shape": (160, 224), "pad_shape": (160, 224)})
    features = theirs.extract_feat(padded)
    proposals = theirs.rpn_head.predict(features, [sample], rescale=False)[0].bboxes
    found = theirs.predict(padded, [sample], rescale=False)[0].pred_instances
    for level, feature in enumerate(features, 2):
        assert np.abs(ours[f"p{level}"] - feature.numpy()).max() < 1e-4
    assert_agrees(ours, found.bboxes, found.scores, found.labels, found.masks, proposals)
