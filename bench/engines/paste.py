# SPDX-License-Identifier: Apache-2.0
"""Pastes 28 x 28 masks into the image by torchvision's own function, for engines whose graph ends before."""
from __future__ import annotations

from typing import Any, Tuple

import numpy as np


class Paster:
    """Holds torch, so that only a worker that pastes pays for it."""

    def __init__(self, threads: int) -> None:
        import torch
        from torchvision.models.detection.roi_heads import paste_masks_in_image

        torch.set_num_threads(threads)
        self._torch, self._paste = torch, paste_masks_in_image

    def __call__(self, masks: np.ndarray, boxes: np.ndarray, size: Tuple[int, int]) -> Any:
        with self._torch.inference_mode():
            return self._paste(self._torch.from_numpy(masks), self._torch.from_numpy(boxes), size)
