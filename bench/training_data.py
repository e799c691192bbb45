# SPDX-License-Identifier: Apache-2.0
"""What both trainers learn from in the benchmark: synthetic slices of a body that fills the image, two lesions on each."""
from __future__ import annotations

import sys
from typing import Any, List, Tuple

import numpy as np

from configuration import ROOT

sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "examples" / "python" / "src")]
from synthetic_slice import ct_like  # noqa: E402

#: As in the data set's usual input: 0..255 over this window, less this mean.
WINDOW, MEAN = (-1024, 3071), 50


def slices(size: int, count: int) -> List[Tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Pixels in HU (int16), boxes (2 x 4) and masks (2 x size x size) of each; nothing is air, so nothing is cropped."""
    found = []
    y, x = np.mgrid[:size, :size] + 0.5
    for index in range(count):
        grey = ct_like(size, size, 1, index)[0] + MEAN
        hu = np.maximum(grey / 255 * (WINDOW[1] - WINDOW[0]) + WINDOW[0], -700).astype(np.int16)
        boxes = np.array([[100, 120, 148, 160], [300, 280, 380, 352]], np.float64) * size / 512 + 7 * index
        masks = np.stack([((x - (b[0] + b[2]) / 2) / (b[2] - b[0]) * 2) ** 2 + ((y - (b[1] + b[3]) / 2) / (b[3] - b[1]) * 2) ** 2 <= 1
                          for b in boxes])
        found.append((hu, boxes, masks))
    return found


def dataset(size: int, count: int) -> Any:
    """The same as a uldor.Dataset."""
    # Here: torchvision's process, which reads slices() only, is not to hold libuldor in its memory.
    import uldor

    def image(hu: np.ndarray, boxes: np.ndarray, masks: np.ndarray) -> uldor.SourceImage:
        lesions = [uldor.SourceLesion(box=tuple(box), mask=mask) for box, mask in zip(boxes, masks)]
        return uldor.SourceImage((size, size), lambda: hu, lesions, spacing=(0.8, 0.8))

    return uldor.Dataset.from_source([image(*slice_) for slice_ in slices(size, count)])


def tensor(hu: np.ndarray) -> np.ndarray:
    """The network's input of a slice without neighbours: three times the same."""
    grey = (hu.astype(np.float32) - WINDOW[0]) / (WINDOW[1] - WINDOW[0]) * 255 - MEAN
    return np.repeat(grey[None], 3, 0)
