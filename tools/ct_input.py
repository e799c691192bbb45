"""From stored CT slices to the network's input, step by step, with OpenCV and scipy.

The steps and their order are those of Yan et al. (3DCE, 2018) as docs/weights.md lists them under `input`: neighbours
interpolated in HU, window, body crop, scale, mean and std, padding. Boxes and points go the same way (`Geometry`), in
continuous coordinates: pixel i covers [i, i + 1).
"""
import os
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image
from scipy.ndimage import binary_opening

DEFAULTS = {
    "slices": 3, "slice_distance_mm": 2.0, "window_hu": [-1024, 3071], "range": [0, 255], "mean": 50, "std": 1,
    "body_crop": True, "body_threshold_hu": -768, "body_opening": 7, "spacing_mm": 0.8, "max_size": 512, "size_divisor": 32,
}


@dataclass
class Geometry:
    """Where the crop lies in the stored slice, and what it is scaled by."""
    left: int
    top: int
    scale: float
    width: int  # of the network's input before padding
    height: int

    def to_network(self, points):
        """x, y, x, y, ... of the stored slice (continuous) to the network's input."""
        points = np.asarray(points, np.float64).reshape(-1, 2)
        return ((points - [self.left, self.top]) * self.scale).reshape(-1)

    def to_slice(self, points):
        points = np.asarray(points, np.float64).reshape(-1, 2)
        return (points / self.scale + [self.left, self.top]).reshape(-1)


def read_hu(path):
    """A 16-bit PNG of DeepLesion: HU = pixel - 32768."""
    return np.asarray(Image.open(path)).astype(np.int32) - 32768


def read_series(folder):
    """{slice number: HU} of one series."""
    names = [n for n in os.listdir(folder) if n.endswith(".png")]
    return {int(n[:-4]): read_hu(os.path.join(folder, n)) for n in names}


def neighbour(stored, key, distance_mm, interval_mm):
    """The slice at a signed distance from the key slice: linear between the two nearest stored ones.

    A slice that is not stored is replaced by the nearest one towards the key slice.
    """
    position = key + distance_mm / interval_mm
    below = int(np.floor(position))
    weight = position - below

    def nearest(index):
        while index not in stored and index != key:
            index += 1 if index < key else -1
        return np.asarray(stored[index], np.float32)

    if weight == 0:
        return nearest(below)
    return nearest(below) * np.float32(1 - weight) + nearest(below + 1) * np.float32(weight)


def stack(stored, key, interval_mm, config):
    """[h, w, slices] in HU, ascending slice numbers."""
    half = config["slices"] // 2
    return np.stack([neighbour(stored, key, k * config["slice_distance_mm"], interval_mm) for k in range(-half, half + 1)], -1)


def window(hu, config):
    (low, high), (first, last) = config["window_hu"], config["range"]
    return (np.clip((hu - low) / (high - low), 0, 1) * (last - first) + first).astype(np.float32)


def body_box(key_hu, config):
    """left, top, right, bottom (exclusive) of the body in the key slice; the whole image where there is none."""
    n = config["body_opening"]
    body = binary_opening(key_hu > config["body_threshold_hu"], structure=np.ones((n, n), bool))
    rows, columns = np.flatnonzero(body.any(1)), np.flatnonzero(body.any(0))
    if not len(rows):
        return 0, 0, key_hu.shape[1], key_hu.shape[0]
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def resize_scale(width, height, spacing_mm, config):
    """To the network's pixel size, but no side longer than its cap."""
    scale = spacing_mm / config["spacing_mm"]
    return min(scale, config["max_size"] / max(width, height))


def pad(image, config):
    """Zeros at the right and the bottom, after normalisation."""
    d = config["size_divisor"]
    return np.pad(image, ((0, -image.shape[0] % d), (0, -image.shape[1] % d), (0, 0)))


def prepare(stored, key, spacing_mm, interval_mm, config=None, padded=True):
    """Network input [slices, h, w] float32 and its Geometry. `stored` maps slice numbers to HU arrays."""
    config = {**DEFAULTS, **(config or {})}
    image = window(stack(stored, key, interval_mm, config), config)
    left, top, right, bottom = 0, 0, image.shape[1], image.shape[0]
    if config["body_crop"]:
        left, top, right, bottom = body_box(stored[key], config)
    image = np.ascontiguousarray(image[top:bottom, left:right])
    scale = resize_scale(right - left, bottom - top, spacing_mm, config)
    image = cv2.resize(image, None, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    image = (image - np.asarray(config["mean"], np.float32)) / np.asarray(config["std"], np.float32)
    geometry = Geometry(left, top, scale, image.shape[1], image.shape[0])
    if padded:
        image = pad(image, config)
    return np.ascontiguousarray(image.transpose(2, 0, 1)), geometry
