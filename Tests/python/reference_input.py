# SPDX-License-Identifier: Apache-2.0
"""The way from stored pixels to the network's input, step by step, by OpenCV and scipy (docs/input.md).

A second opinion on the library's own: nothing here is shared with it. Images are D x H x W; a slice that is not there is
None in a list of slices.
"""
from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Sequence

import cv2
import numpy
from scipy import ndimage


@dataclass
class Settings:
    """The fields of `input` in a model's configuration, with their defaults."""

    slices: int = 3
    slice_distance_mm: float = 2
    window_hu: Sequence[float] = (-1024, 3071)
    range: Sequence[float] = (0, 255)
    mean: Any = 50
    std: Any = 1
    body_crop: bool = True
    body_threshold_hu: float = -768
    body_opening: int = 7
    spacing_mm: float = 0.8
    max_size: int = 512
    size_divisor: int = 32
    resampling: bool = True


@dataclass
class Steps:
    """Arrays by the step's name, and how the image was placed."""

    arrays: Dict[str, numpy.ndarray] = field(default_factory=dict)
    crop: Sequence[int] = (0, 0, 0, 0)
    scale: Sequence[float] = (1, 1)
    missing: int = 0


def towards_key(slices: Sequence[Optional[numpy.ndarray]], key: int, offset: int) -> int:
    """Index of the slice at `offset` from the key slice, or of the nearest one towards the key slice that is there."""
    while offset and not (0 <= key + offset < len(slices) and slices[key + offset] is not None):
        offset -= 1 if offset > 0 else -1
    return key + offset


def hounsfield(slices: Sequence[Optional[numpy.ndarray]], key: int, interval: float, settings: Settings, slope: float,
               intercept: float) -> numpy.ndarray:
    """The channels in Hounsfield units, float64: slices at multiples of slice_distance_mm from the key slice."""
    def hu(index: int) -> numpy.ndarray:
        return slices[index].astype(numpy.float64) * slope + intercept

    channels: List[numpy.ndarray] = []
    half = settings.slices // 2
    for number in range(-half, half + 1):
        distance = abs(number) * settings.slice_distance_mm / interval if number else 0.0
        sign = 1 if number > 0 else -1
        low, high = math.floor(distance), math.ceil(distance)
        near = hu(towards_key(slices, key, sign * low))
        far = hu(towards_key(slices, key, sign * high))
        channels.append(near if low == high else near * (high - distance) + far * (distance - low))
    return numpy.stack(channels)


def body_box(hu: numpy.ndarray, settings: Settings) -> Sequence[int]:
    """left, top, width, height of what is above the threshold in the key slice after an opening; all where empty."""
    size = settings.body_opening
    mask = ndimage.binary_opening(hu > settings.body_threshold_hu, numpy.ones((size, size), bool))
    if not mask.any():
        return 0, 0, hu.shape[1], hu.shape[0]
    rows, columns = ndimage.find_objects(mask.astype(numpy.int32))[0]
    return columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start


def resized_size(width: int, height: int, scale_x: float, scale_y: float) -> Sequence[int]:
    """Width and height after scaling, rounded as cv::resize rounds (half to even), at least 1."""
    return max(1, round(width * scale_x)), max(1, round(height * scale_y))


def steps(slices: Sequence[Optional[numpy.ndarray]], key: int = 0, *, interval: float = 1, spacing: Sequence[float] = (1, 1),
          slope: float = 1, intercept: float = 0, settings: Optional[Settings] = None) -> Steps:
    """Every step of the way; arrays are C x H x W float32."""
    settings = settings or Settings()
    out = Steps()
    hu = hounsfield(slices, key, interval, settings, slope, intercept)
    out.arrays["hu"] = hu

    (low, high), (first, last) = settings.window_hu, settings.range
    windowed = first + (numpy.clip(hu, low, high) - low) / (high - low) * (last - first)
    out.arrays["windowed"] = windowed

    left, top, width, height = out.crop = (
        body_box(hu[len(hu) // 2], settings) if settings.body_crop else (0, 0, hu.shape[2], hu.shape[1]))
    cropped = windowed[:, top:top + height, left:left + width]
    out.arrays["cropped"] = cropped

    scale_x, scale_y = [side / settings.spacing_mm for side in spacing] if settings.resampling else (1.0, 1.0)
    longest = max(width * scale_x, height * scale_y)
    if longest > settings.max_size:
        scale_x, scale_y = scale_x * settings.max_size / longest, scale_y * settings.max_size / longest
    out.scale = scale_x, scale_y
    # OpenCV takes the scale itself, not the ratio of the rounded sizes, only where no size is given.
    scaled = numpy.stack([
        cv2.resize(numpy.ascontiguousarray(channel, numpy.float32), None, fx=scale_x, fy=scale_y,
                   interpolation=cv2.INTER_LINEAR)
        for channel in cropped])
    out.arrays["scaled"] = scaled

    mean, std = (numpy.broadcast_to(numpy.asarray(value, numpy.float64), (len(scaled),))[:, None, None]
                 for value in (settings.mean, settings.std))
    normalised = (scaled - mean) / std
    out.arrays["normalised"] = normalised

    divisor = settings.size_divisor
    bottom, right = -scaled.shape[1] % divisor, -scaled.shape[2] % divisor
    out.arrays["padded"] = numpy.pad(normalised, ((0, 0), (0, bottom), (0, right)))
    return out
