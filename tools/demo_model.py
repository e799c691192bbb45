"""The demo model: torchvision's Mask R-CNN on a narrow ResNet-18, and how it becomes a weights file of libuldor.

A model of your own takes the same three steps. Build any ResNet-FPN Mask R-CNN of torchvision (`build`), describe it
(`CONFIG`, docs/weights.md), save its state_dict() under torchvision's names with that in the header (`export`).
"""
import json
import os

import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.models.resnet import BasicBlock, ResNet

# What libuldor has to know beside the tensors; every other field has torchvision's default (docs/weights.md). Lesion boxes
# (RECIST + 5 px) are 15 to 90 px at 0.8 mm, the strides of P2..P6 are 4 to 64; a slice has a few lesions, not the objects of COCO.
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "demo_config.json"), encoding="utf-8") as file:
    CONFIG = json.load(file)
STEM, FPN, FC = 16, 64, 128  # ResNet-18 has 64, FPNs 256, their box heads 1024


class AsIs(GeneralizedRCNNTransform):
    """ct_input has scaled and normalised; all that is left to do is to pad and to stack."""

    def __init__(self):
        super().__init__(0, 0, [0.0] * 3, [1.0] * 3, size_divisible=32)

    def resize(self, image, target=None):
        return image, target


def narrow_resnet18(stem):
    net = ResNet(BasicBlock, [2, 2, 2, 2])
    net.inplanes = stem
    net.conv1 = nn.Conv2d(3, stem, 7, 2, 3, bias=False)
    net.bn1 = nn.BatchNorm2d(stem)
    for i in range(4):
        setattr(net, f"layer{i + 1}", net._make_layer(BasicBlock, stem << i, 2, stride=1 if i == 0 else 2))
    for m in net.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
    return net


def build(config=CONFIG, stem=STEM, fpn=FPN, fc=FC, **training):
    """The network of a configuration. `training` goes to torchvision's MaskRCNN."""
    classes = len(config["classes"])
    body = narrow_resnet18(stem)
    layers = {f"layer{i + 1}": str(i) for i in range(4)}
    backbone = BackboneWithFPN(body, layers, [stem << i for i in range(4)], fpn)
    sizes, ratios = config["anchors"]["sizes"], config["anchors"]["aspect_ratios"]
    model = MaskRCNN(
        backbone,
        rpn_anchor_generator=AnchorGenerator(tuple(map(tuple, sizes)), (tuple(ratios),) * len(sizes)),
        rpn_pre_nms_top_n_test=config["rpn"]["pre_nms_top_n"], rpn_post_nms_top_n_test=config["rpn"]["post_nms_top_n"],
        box_head=TwoMLPHead(fpn * 7 * 7, fc), box_predictor=FastRCNNPredictor(fc, classes),
        box_score_thresh=config["box"]["score_threshold"], box_detections_per_img=config["box"]["detections"],
        mask_head=MaskRCNNHeads(fpn, (fpn,) * 4, 1), mask_predictor=MaskRCNNPredictor(fpn, fpn, classes), **training)
    model.transform = AsIs()
    return model


def export(model, path, config=CONFIG):
    """The tensors as fp16 under their own names. libuldor treats batch norm as frozen: the running statistics count."""
    tensors = {k: v.detach().half().contiguous() for k, v in model.state_dict().items() if "num_batches_tracked" not in k}
    assert all(torch.isfinite(t).all() for t in tensors.values())
    save_file(tensors, path, {"uldor": json.dumps(config)})
    os.chmod(path, 0o644)  # safetensors leaves it to its owner alone
