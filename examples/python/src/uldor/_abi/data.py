# SPDX-License-Identifier: Apache-2.0
"""Data sets, a host's own source, augmentation."""
from __future__ import annotations

from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_double, c_int32, c_int64, c_size_t, c_uint8, c_void_p
from typing import List

from .common import Prototype, allocator, handle, handle_out, log_fn
from .inference import image

SPLIT_TRAIN = 1
SPLIT_VALIDATION = 2
SPLIT_TEST = 3

MASKS_PSEUDO = 0
MASKS_GIVEN = 1
MASKS_GIVEN_OR_PSEUDO = 2
MASKS_NONE = 3

BAD_ERROR = 0
BAD_SKIP = 1

NEGATIVES_NONE = 0
NEGATIVES_UNMASKED = 1


class dataset_options(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("allocator", POINTER(allocator)), ("log", log_fn), ("log_user", c_void_p),
        ("csv_path", c_char_p), ("image_directory", c_char_p), ("mask_directory", c_char_p), ("boxes_path", c_char_p),
        ("windows_path", c_char_p), ("masks", c_int32), ("keep_noisy", c_int32), ("on_bad_row", c_int32),
        ("on_bad_image", c_int32), ("negatives", c_int32), ("reserved", c_int32),
    ]


class source_lesion(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("has_box", c_int32), ("has_recist", c_int32),
        ("x1", c_double), ("y1", c_double), ("x2", c_double), ("y2", c_double), ("recist", c_double * 8),
        ("has_mask", c_int32), ("type", c_int32), ("class_index", c_int32), ("reserved", c_int32),
    ]


class source_image(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("name", c_char_p), ("patient", c_int64), ("split", c_int32), ("width", c_int32),
        ("height", c_int32), ("lesions", c_int32), ("spacing_x_mm", c_double), ("spacing_y_mm", c_double),
        ("slice_interval_mm", c_double),
    ]


describe_fn = CFUNCTYPE(c_int32, c_void_p, c_int64, POINTER(source_image))
annotate_fn = CFUNCTYPE(c_int32, c_void_p, c_int64, c_int32, POINTER(source_lesion))
read_fn = CFUNCTYPE(c_int32, c_void_p, c_int64, POINTER(image), POINTER(c_void_p))
release_fn = CFUNCTYPE(None, c_void_p, c_int64, c_void_p)
read_mask_fn = CFUNCTYPE(c_int32, c_void_p, c_int64, c_int32, POINTER(c_uint8), c_int32, c_int32)
report_fn = CFUNCTYPE(c_int32, c_void_p, c_char_p)


class source(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("user", c_void_p), ("count", c_int64), ("describe", describe_fn), ("annotate", annotate_fn),
        ("read", read_fn), ("release", release_fn), ("read_mask", read_mask_fn),
    ]


class dataset_info(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("images", c_int64), ("lesions", c_int64), ("images_of_split", c_int64 * 4),
        ("lesions_of_split", c_int64 * 4), ("negatives", c_int64), ("rows", c_int64), ("noisy_rows", c_int64),
        ("bad_rows", c_int64), ("bad_images", c_int64), ("repeated_boxes", c_int64), ("lesions_outside_window", c_int64),
        ("images_outside_window", c_int64),
    ]


class dataset_image(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("name", c_char_p), ("patient", c_int64), ("csv_line", c_int64), ("split", c_int32),
        ("lesions", c_int32), ("width", c_int32), ("height", c_int32), ("window_left", c_int32), ("window_top", c_int32),
        ("spacing_x_mm", c_double), ("spacing_y_mm", c_double), ("slice_interval_mm", c_double),
    ]


class dataset_lesion(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("x1", c_double), ("y1", c_double), ("x2", c_double), ("y2", c_double),
        ("recist", c_double * 8), ("has_recist", c_int32), ("has_mask", c_int32), ("type", c_int32), ("class_index", c_int32),
        ("csv_line", c_int64), ("long_px", c_double), ("short_px", c_double), ("long_mm", c_double), ("short_mm", c_double),
    ]


class augmentation(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("scale_low", c_double), ("scale_high", c_double), ("position_px", c_int32),
        ("reserved", c_int32), ("slice_part", c_double), ("flip_x", c_double), ("flip_y", c_double),
    ]


FUNCTIONS: List[Prototype] = [
    ("dataset_options_init", c_int32, [POINTER(dataset_options), c_size_t]),
    ("dataset_open_deeplesion", c_int32, [c_char_p, POINTER(dataset_options), handle_out]),
    ("source_init", c_int32, [POINTER(source), c_size_t]),
    ("dataset_open_callbacks", c_int32, [POINTER(source), POINTER(dataset_options), handle_out]),
    ("dataset_free", c_int32, [handle]),
    ("dataset_get_info", c_int32, [handle, POINTER(dataset_info)]),
    ("dataset_get_image", c_int32, [handle, c_int64, POINTER(dataset_image)]),
    ("dataset_get_lesion", c_int32, [handle, c_int64, c_int32, POINTER(dataset_lesion)]),
    ("dataset_get_mask", c_int32, [handle, c_int64, c_int32, POINTER(c_uint8), c_size_t, c_size_t, POINTER(c_int64)]),
    ("dataset_find", c_int32, [handle, c_char_p, POINTER(c_int64)]),
    ("dataset_read_image", c_int32, [handle, c_int64, c_int32, handle_out]),
    ("slices_get_image", c_int32, [handle, POINTER(image)]),
    ("slices_free", c_int32, [handle]),
    ("dataset_check", c_int32, [handle, c_int32, report_fn, c_void_p, POINTER(c_int64)]),
    ("augmentation_init", c_int32, [POINTER(augmentation), c_size_t]),
]
