# SPDX-License-Identifier: Apache-2.0
"""torchvision's Mask R-CNN: as it is, with batch norm folded and channels_last, and compiled."""
from __future__ import annotations

import json
import sys
import time
from typing import Any, Dict, Tuple

import numpy as np
import torch
import torchvision.models.detection.transform as transform
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torchvision.ops.misc import FrozenBatchNorm2d

from configuration import ROOT, Configuration, weights

sys.path.insert(0, str(ROOT / "tools"))
import torchvision_model  # noqa: E402
import uldor_config  # noqa: E402


def load(threshold: float) -> nn.Module:
    """The model on the benchmark's weights; its transform does nothing but make a batch of one."""
    path = weights()
    with safe_open(path, "np") as file:
        config = uldor_config.complete(json.loads(file.metadata()["uldor"]))
    tensors = load_file(path)
    model = torchvision_model.build(torchvision_model.Architecture.of(tensors), config)
    model.load_state_dict(tensors, strict=True)
    model.transform.normalize = lambda image: image
    model.roi_heads.score_thresh = threshold
    return model.requires_grad_(False)


def fold_batch_norm(module: nn.Module) -> None:
    """Puts each frozen batch norm into the convolution before it. In torchvision's ResNet a norm follows its convolution in
    the order of definition everywhere."""
    for parent in list(module.modules()):
        children = list(parent.named_children())
        for (first, convolution), (second, norm) in zip(children, children[1:]):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, FrozenBatchNorm2d):
                convolution.weight, convolution.bias = (
                    nn.Parameter(value, requires_grad=False) for value in fuse_conv_bn_weights(
                        convolution.weight, convolution.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias))
                setattr(parent, second, nn.Identity())
    assert not any(isinstance(part, FrozenBatchNorm2d) for part in module.modules())


class Eager:
    """GeneralizedRCNN.forward as it comes."""

    def __init__(self, configuration: Configuration) -> None:
        torch.set_num_threads(configuration.threads)
        torch.set_num_interop_threads(1)
        self._pasting = transform.paste_masks_in_image
        transform.paste_masks_in_image = self._paste
        self._seconds, self._masks28 = 0.0, torch.empty(0, 1, 28, 28)
        self.model = load(configuration.score_threshold)
        self.prepare()

    def prepare(self) -> None:
        """What a variant does to the loaded model."""

    def _paste(self, masks: torch.Tensor, *where: Any) -> torch.Tensor:
        # The model pastes in the middle of its forward; this is where its time, and the masks before, can be had.
        begin = time.perf_counter()
        pasted = self._pasting(masks, *where)
        self._seconds, self._masks28 = time.perf_counter() - begin, masks
        return pasted

    @torch.no_grad()
    def run(self, tensor: np.ndarray) -> Tuple[Any, Dict[str, float]]:
        self._seconds = 0.0
        found = self.model([torch.from_numpy(tensor)])[0]
        return found, {"paste": self._seconds * 1e3}

    def arrays(self, output: Any) -> Dict[str, np.ndarray]:
        found = {name: output[name].numpy() for name in ("boxes", "scores", "labels")}
        return found | {"masks28": self._masks28.numpy()}

    def about(self) -> Dict[str, str]:
        import torchvision

        return {"torch": torch.__version__, "torchvision": torchvision.__version__}


class ChannelsLast(Eager):
    def prepare(self) -> None:
        fold_batch_norm(self.model.backbone)
        self.model.to(memory_format=torch.channels_last)


class Compiled(Eager):
    """The convolutions and matrix products compiled part by part, weights frozen in. Between the parts stands torchvision's own
    code, whose sizes depend on the data: compiling it with them breaks the graph there anyway."""

    def prepare(self) -> None:
        import torch._inductor.config as inductor

        inductor.freezing = True
        fold_batch_norm(self.model.backbone)
        heads = self.model.roi_heads
        for part in (self.model.backbone, self.model.rpn.head, heads.box_head, heads.box_predictor, heads.mask_head,
                     heads.mask_predictor):
            part.compile()
