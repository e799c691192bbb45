# SPDX-License-Identifier: Apache-2.0
"""Hard negative example mining."""
from __future__ import annotations

from ctypes import POINTER, Structure, c_char_p, c_double, c_int32, c_int64, c_size_t, c_uint64, c_void_p
from typing import List

from .common import Prototype, allocator, handle, log_fn, progress_fn

RESUME_IF_THERE = 0
RESUME_NEVER = 1
RESUME_ALWAYS = 2


class mining_options(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("allocator", POINTER(allocator)), ("log", log_fn), ("log_user", c_void_p),
        ("progress", progress_fn), ("progress_user", c_void_p), ("good_iou", c_double), ("min_score", c_double),
        ("most", c_int32), ("boxes_only", c_int32), ("spare_quantile", c_double), ("score_threshold", c_double),
        ("seed", c_uint64), ("epoch", c_int64), ("split", c_int32), ("first_epoch", c_int32), ("every", c_int32),
        ("resume", c_int32), ("on_bad_image", c_int32), ("threads", c_int32), ("streams", c_int32),
        ("instructions", c_int32), ("exact", c_int32), ("reserved", c_int32),
    ]


class mining_info(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("images", c_int64), ("images_found", c_int64), ("resumed", c_int64),
        ("skipped_images", c_int64), ("detections", c_int64), ("good", c_int64), ("spared", c_int64),
        ("candidates", c_int64), ("mined", c_int64),
    ]


FUNCTIONS: List[Prototype] = [
    ("mining_options_init", c_int32, [POINTER(mining_options), c_size_t]),
    ("mine", c_int32, [handle, handle, c_char_p, POINTER(mining_options), POINTER(mining_info)]),
]
