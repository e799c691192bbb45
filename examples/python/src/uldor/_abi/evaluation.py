# SPDX-License-Identifier: Apache-2.0
"""FROC, average precision, overlap of masks."""
from __future__ import annotations

from ctypes import POINTER, Structure, c_double, c_int32, c_int64, c_size_t, c_uint8, c_uint32, c_uint64
from typing import List

from .common import Prototype, allocator, handle, handle_out

FROC_PAPER = 0
FROC_DEEPLESION = 1
FROC_APPEND_BY_LESION_SCORE = 0
FROC_APPEND_BY_SCORE = 1
FROC_IGNORE = 2
FROC_FALSE_POSITIVE = -1
FROC_REPEAT = -2
FROC_IGNORED = -3
FROC_ALL = 0
FROC_TYPE = 1
FROC_SIZE = 2
FROC_GROUP = 3


class froc_options(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("allocator", POINTER(allocator)), ("convention", c_int32), ("false_positives", c_int32),
        ("iou_threshold", c_double), ("bootstrap_samples", c_int32), ("threads", c_int32), ("seed", c_uint64),
        ("confidence", c_double), ("size_bounds_mm", POINTER(c_double)), ("size_bound_count", c_size_t),
    ]


class froc_image(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("patient", c_uint64), ("lesion_boxes", POINTER(c_double)),
        ("lesion_types", POINTER(c_int32)), ("lesion_sizes_mm", POINTER(c_double)), ("lesion_groups", POINTER(c_int32)),
        ("lesion_count", c_size_t), ("boxes", POINTER(c_double)), ("scores", POINTER(c_double)),
        ("lesion_scores", POINTER(c_double)), ("classes", POINTER(c_int32)), ("detection_count", c_size_t),
    ]


class froc_info(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("images", c_int64), ("patients", c_int64), ("lesions", c_int64), ("detections", c_int64),
        ("hits", c_int64), ("false_positives", c_int64), ("repeats", c_int64), ("ignored", c_int64),
        ("memory_bytes", c_int64), ("subsets", c_int32), ("levels", c_int32), ("average_precision", c_double),
        ("average_precision_all_points", c_double), ("average_precision_50_95", c_double),
        ("average_precision_low", c_double), ("average_precision_high", c_double),
        ("average_precision_all_points_low", c_double), ("average_precision_all_points_high", c_double),
        ("average_precision_50_95_low", c_double), ("average_precision_50_95_high", c_double),
    ]


class froc_subset(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("kind", c_int32), ("value", c_int32), ("low_mm", c_double), ("high_mm", c_double),
        ("lesions", c_int64), ("hits", c_int64), ("sensitivity", c_double), ("low", c_double), ("high", c_double),
        ("samples", c_int32), ("reserved", c_int32),
    ]


class froc_sensitivity(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("level", c_double), ("sensitivity", c_double), ("low", c_double), ("high", c_double),
        ("reached", c_int32), ("samples", c_int32),
    ]


class mask_overlap_info(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("area_a", c_int64), ("area_b", c_int64), ("intersection", c_int64), ("iou", c_double),
        ("dice", c_double),
    ]


FUNCTIONS: List[Prototype] = [
    ("froc_options_init", c_int32, [POINTER(froc_options), c_size_t]),
    ("froc_create", c_int32, [POINTER(froc_options), handle_out]),
    ("froc_free", c_int32, [handle]),
    ("froc_image_init", c_int32, [POINTER(froc_image), c_size_t]),
    ("froc_add_image", c_int32, [handle, POINTER(froc_image), POINTER(c_int32)]),
    ("froc_compute", c_int32, [handle, POINTER(c_double), c_size_t]),
    ("froc_get_info", c_int32, [handle, POINTER(froc_info)]),
    ("froc_get_subset", c_int32, [handle, c_int32, POINTER(froc_subset)]),
    ("froc_get_sensitivity", c_int32, [handle, c_int32, c_int32, POINTER(froc_sensitivity)]),
    ("froc_get_curve", c_int32, [handle, POINTER(c_double), c_size_t, POINTER(c_size_t)]),
    ("mask_overlap", c_int32,
     [POINTER(c_uint8), c_size_t, POINTER(c_uint8), c_size_t, c_int32, c_int32, POINTER(mask_overlap_info)]),
    ("mask_overlap_rle", c_int32, [POINTER(c_uint32), c_size_t, POINTER(c_uint32), c_size_t, POINTER(mask_overlap_info)]),
]
