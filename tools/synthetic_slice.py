# SPDX-License-Identifier: Apache-2.0
"""A deterministic CT-like network input: soft ellipses and noise, normalised as the default input section does."""

from __future__ import annotations

import numpy as np


def ct_like(height: int, width: int, slices: int = 3, seed: int = 0) -> np.ndarray:
    """slices x height x width, float32, (0..255 - 50); neighbouring slices differ a little, as in a scan."""
    random = np.random.RandomState(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / max(height, width)
    image = np.zeros((slices, height, width), np.float32)
    for _ in range(60):
        cx, cy = random.uniform(0.05, 0.95, 2) * np.array([width, height]) / max(height, width)
        a, b = np.exp(random.uniform(np.log(0.01), np.log(0.35), 2))
        turn = random.uniform(0, np.pi)
        u = (x - cx) * np.cos(turn) + (y - cy) * np.sin(turn)
        v = -(x - cx) * np.sin(turn) + (y - cy) * np.cos(turn)
        inside = 1 / (1 + np.exp(-np.clip((1 - np.hypot(u / a, v / b)) * 25, -30, 30)))
        brightness = random.uniform(-0.5, 0.6) + random.uniform(-0.1, 0.1, slices)
        image += brightness.astype(np.float32)[:, None, None] * inside.astype(np.float32)
    image += random.normal(0, 0.04, image.shape).astype(np.float32)
    return (np.clip(0.35 + 0.35 * image, 0, 1) * 255 - 50).astype(np.float32)
