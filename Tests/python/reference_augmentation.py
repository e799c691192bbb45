# SPDX-License-Identifier: Apache-2.0
"""How an image is varied in an epoch, and the network's input that comes of it, by numpy, OpenCV and scipy (docs/data.md).

The draws are docs/data.md's: SplitMix64 over the mixed key (seed, epoch, image, purpose), in the order scale, left, top, slice, flips.
"""
from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy

import reference_input

MASK = 2**64 - 1
AUGMENTATION = 2


def mix(value):
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB & MASK
    return value ^ (value >> 31)


class Draws:
    def __init__(self, seed, epoch, image, purpose=AUGMENTATION):
        self.state = 0
        for part in (seed, epoch, image, purpose):
            self.state = mix(self.state + part + 0x9E3779B97F4A7C15 & MASK)

    def next(self):
        self.state = self.state + 0x9E3779B97F4A7C15 & MASK
        return mix(self.state)

    def uniform(self):
        return (self.next() >> 11) * 2.0**-53

    def below(self, bound):
        return self.next() * bound >> 64


@dataclass
class Variation:
    scale: float = 1
    left: int = 0
    top: int = 0
    slices: int = 0
    flip_x: bool = False
    flip_y: bool = False


def draw(augmentation, seed, epoch, image, diameter_mm, interval):
    """`diameter_mm`: the smallest lesion's short diameter, 0 where there is none."""
    draws = Draws(seed, epoch, image)
    out = Variation()
    low, high = augmentation.scale
    out.scale = low + draws.uniform() * (high - low)
    out.left, out.top = (draws.below(2 * augmentation.position + 1) - augmentation.position for _ in range(2))
    radius = math.floor(augmentation.slice_part * diameter_mm / 2 / interval)
    weights = numpy.array([radius + 1 - abs(d) for d in range(-radius, radius + 1)])
    out.slices = int(numpy.searchsorted(weights.cumsum(), draws.below(int(weights.sum())), side="right")) - radius if radius else (
        draws.next() * 0)
    out.flip_x, out.flip_y = draws.uniform() < augmentation.flip_x, draws.uniform() < augmentation.flip_y
    return out


@dataclass
class Input:
    pixels: numpy.ndarray  # channels x height x width, padded
    size: tuple            # height, width before padding
    crop: tuple            # left, top
    scale: tuple           # x, y
    flips: tuple           # x, y

    def x(self, x):
        moved = (numpy.asarray(x, float) - self.crop[0]) * self.scale[0]
        return self.size[1] - moved if self.flips[0] else moved

    def y(self, y):
        moved = (numpy.asarray(y, float) - self.crop[1]) * self.scale[1]
        return self.size[0] - moved if self.flips[1] else moved


def make(volume, key, variation, *, interval, spacing, settings=None):
    """`volume`: list of slices in HU, None where none is stored."""
    settings = settings or reference_input.Settings()
    left = variation.slices
    while left and 0 <= key + numpy.sign(left) < len(volume) and volume[key + int(numpy.sign(left))] is not None:
        key, left = key + int(numpy.sign(left)), left - int(numpy.sign(left))
    hu = reference_input.hounsfield(volume, key, interval, settings, 1, 0)
    (low, high), (first, last) = settings.window_hu, settings.range
    windowed = first + (numpy.clip(hu, low, high) - low) / (high - low) * (last - first)
    x, y, width, height = reference_input.body_box(hu[len(hu) // 2], settings)
    right, bottom = x + width, y + height
    x, y = min(max(x + variation.left, 0), right - 1), min(max(y + variation.top, 0), bottom - 1)
    scale_x, scale_y = (side / settings.spacing_mm * variation.scale for side in spacing)
    longest = max((right - x) * scale_x, (bottom - y) * scale_y)
    if longest > settings.max_size:
        scale_x, scale_y = scale_x * settings.max_size / longest, scale_y * settings.max_size / longest
    scaled = numpy.stack([
        cv2.resize(numpy.ascontiguousarray(channel[y:bottom, x:right], numpy.float32), None, fx=scale_x, fy=scale_y,
                   interpolation=cv2.INTER_LINEAR) for channel in windowed])
    normalised = (scaled - settings.mean) / settings.std
    if variation.flip_x:
        normalised = normalised[:, :, ::-1]
    if variation.flip_y:
        normalised = normalised[:, ::-1]
    size = normalised.shape[1:]
    padded = numpy.pad(normalised, ((0, 0), (0, -size[0] % settings.size_divisor), (0, -size[1] % settings.size_divisor)))
    return Input(padded, size, (x, y), (scale_x, scale_y), (variation.flip_x, variation.flip_y))
