# SPDX-License-Identifier: Apache-2.0
"""The configuration in a weights file (docs/weights.md): its fields, their defaults and their limits."""

from __future__ import annotations

import copy
import difflib
import math
from collections.abc import Callable
from typing import Any

CLASSES = {2: ["background", "lesion"], 3: ["background", "lesion", "false_positive"]}


class WeightsError(Exception):
    pass


Check = Callable[[Any], str | None]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _number(low: float, high: float) -> Check:
    return lambda value: None if _is_number(value) and low <= value <= high else f"must be a number from {low:g} to {high:g}"


def _integer(low: int, high: int, multiple: int = 1, offset: int = 0) -> Check:
    def check(value: Any) -> str | None:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not low <= value <= high:
            return f"must be a whole number from {low} to {high}"
        return None if value % multiple == offset else "must be odd" if offset else f"must be a multiple of {multiple}"
    return check


def _one_of(*names: str) -> Check:
    return lambda value: None if value in names else f"must be one of {', '.join(names)}"


def _boolean(value: Any) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


def _text(limit: int) -> Check:
    return lambda value: None if isinstance(value, str) and len(value.encode()) <= limit else f"must be a string of at most {limit} bytes"


def _list(element: Check, low: int, high: int) -> Check:
    def check(value: Any) -> str | None:
        if not isinstance(value, list) or not low <= len(value) <= high:
            return f"must be a list of {low} to {high}" if low != high else f"must be a list of {low}"
        return next((f"element {i}: {e}" for i, v in enumerate(value) if (e := element(v))), None)
    return check


def _number_or_list(element: Check) -> Check:
    return lambda value: _list(element, 1, 31)(value) if isinstance(value, list) else element(value)


def _increasing(value: Any) -> str | None:
    return _list(_number(-1e6, 1e6), 2, 2)(value) or (None if value[0] < value[1] else "must increase")


def _classes(value: Any) -> str | None:
    error = _list(_text(64), 2, 3)(value)
    if error:
        return error
    if value[0] != "background" or (len(value) == 3 and value[2] != "false_positive"):
        return "must be background, the lesion class, and false_positive if there are three"
    return None


FIELDS: dict[str, tuple[Any, Check]] = {
    "format": (1, _integer(1, 1)),
    "name": ("", _text(256)),
    "version": ("", _text(256)),
    "license": ("", _text(256)),
    "description": ("", _text(4096)),
    "classes": (CLASSES[2], _classes),
    "class_rule": (None, _one_of("per_class", "best_class")),
    "batch_norm_eps": (1e-5, _number(0, 1)),
    "stride_in_1x1": (False, _boolean),
    "anchors.sizes": ([[32], [64], [128], [256], [512]], _list(_list(_number(1, 4096), 1, 8), 5, 5)),
    "anchors.aspect_ratios": ([0.5, 1, 2], _list(_number(0.01, 100), 1, 8)),
    "anchors.rounded": (True, _boolean),
    "anchors.stride_rule": ("grid", _one_of("grid", "fixed")),
    "roi_align.aligned": (False, _boolean),
    "roi_align.sampling_ratio": (2, _integer(0, 8)),
    "roi_align.level_eps": (1e-6, _number(0, 1)),
    "roi_align.level_rule": ("torchvision", _one_of("torchvision", "detectron2", "mmdetection")),
    "rpn.pre_nms_top_n": (1000, _integer(1, 4096)),
    "rpn.post_nms_top_n": (1000, _integer(1, 4096)),
    "rpn.nms_threshold": (0.7, _number(0, 1)),
    "rpn.score_threshold": (0, _number(0, 1)),
    "rpn.min_size": (1e-3, _number(0, 4096)),
    "box.score_threshold": (0.05, _number(0, 1)),
    "box.nms_threshold": (0.5, _number(0, 1)),
    "box.detections": (100, _integer(1, 1000)),
    "box.weights": ([10, 10, 5, 5], _list(_number(1e-3, 1e3), 4, 4)),
    "box.min_size": (1e-2, _number(0, 4096)),
    "mask.threshold": (0.5, _number(0, 1)),
    "mask.paste": ("torchvision", _one_of("torchvision", "continuous")),
    "input.slices": (3, _integer(1, 31, 2, 1)),
    "input.slice_distance_mm": (2, _number(1e-3, 1e3)),
    "input.window_hu": ([-1024, 3071], _increasing),
    "input.range": ([0, 255], _increasing),
    "input.mean": (50, _number_or_list(_number(-1e6, 1e6))),
    "input.std": (1, _number_or_list(_number(1e-6, 1e6))),
    "input.body_crop": (True, _boolean),
    "input.body_threshold_hu": (-768, _number(-1e6, 1e6)),
    "input.body_opening": (7, _integer(1, 31, 2, 1)),
    "input.spacing_mm": (0.8, _number(1e-2, 1e2)),
    "input.max_size": (512, _integer(32, 4096)),
    "input.size_divisor": (32, _integer(32, 128, 32)),
}
_SECTIONS = {name.split(".")[0] for name in FIELDS if "." in name}


def flatten(config: dict[str, Any]) -> dict[str, Any]:
    """Nested objects to dotted names, one level, as the fields are written in docs/weights.md."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if key in _SECTIONS:
            if not isinstance(value, dict):
                raise WeightsError(f"configuration: {key} must be an object")
            flat.update({f"{key}.{inner}": v for inner, v in value.items()})
        else:
            flat[key] = value
    return flat


def nest(flat: dict[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for name, value in flat.items():
        section, _, field = name.rpartition(".")
        (config.setdefault(section, {}) if section else config)[field] = value
    return config


def validate(config: dict[str, Any]) -> None:
    flat = flatten(config)
    for name, value in flat.items():
        if name not in FIELDS:
            near = difflib.get_close_matches(name, FIELDS, 1)
            raise WeightsError(f"configuration: unknown field {name}" + (f"; did you mean {near[0]}?" if near else ""))
        if error := FIELDS[name][1](value):
            raise WeightsError(f"configuration: {name} {error}")
    for name in ("format", "classes"):
        if name not in flat:
            raise WeightsError(f"configuration: {name} is missing")
    slices = flat.get("input.slices", FIELDS["input.slices"][0])
    for name in ("input.mean", "input.std"):
        if isinstance(flat.get(name), list) and len(flat[name]) != slices:
            raise WeightsError(f"configuration: {name} has {len(flat[name])} values for {slices} slices")


def complete(config: dict[str, Any]) -> dict[str, Any]:
    """Dotted name -> value, every default filled in."""
    flat = {name: copy.deepcopy(default) for name, (default, _) in FIELDS.items()} | flatten(config)
    if flat["class_rule"] is None:
        flat["class_rule"] = "per_class" if len(flat["classes"]) == 2 else "best_class"
    return flat


def merge(config: dict[str, Any], override: dict[str, Any]) -> dict[str, Any]:
    return nest(flatten(config) | flatten(override))
