# SPDX-License-Identifier: Apache-2.0
"""Model, image, session, result, pseudo mask."""
from __future__ import annotations

from ctypes import POINTER, Structure, c_char_p, c_double, c_float, c_int32, c_int64, c_size_t
from ctypes import c_ssize_t, c_uint8, c_uint32, c_void_p
from typing import List

from .common import Prototype, allocator, handle, handle_out, log_fn, progress_fn

CLASS_RULE_DEFAULT = 0
CLASS_RULE_PER_CLASS = 1
CLASS_RULE_BEST_CLASS = 2
CLASS_LESION = 1
CLASS_FALSE_POSITIVE = 2

TEXT_NAME = 0
TEXT_VERSION = 1
TEXT_LICENSE = 2
TEXT_DESCRIPTION = 3
TEXT_CONFIG = 4

INT16 = 1
UINT16 = 2
FLOAT32 = 3

INSTRUCTIONS_BEST = 0
INSTRUCTIONS_PORTABLE = 1
INSTRUCTIONS_AVX2 = 2
INSTRUCTIONS_AVX512 = 3

INPUT_HU = 0
INPUT_WINDOWED = 1
INPUT_CROPPED = 2
INPUT_SCALED = 3
INPUT_NORMALISED = 4
INPUT_PADDED = 5

DETECTION_HAS_RECIST = 1
DETECTION_HAS_MM = 2


class model_options(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("allocator", POINTER(allocator)), ("log", log_fn), ("log_user", c_void_p),
        ("config", c_char_p), ("memory_map", c_int32), ("threads", c_int32),
    ]


class model_info(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("depth", c_int32), ("classes", c_int32), ("class_rule", c_int32),
        ("input_channels", c_int32), ("stem_channels", c_int32), ("fpn_channels", c_int32), ("box_channels", c_int32),
        ("mask_channels", c_int32), ("mask_size", c_int32), ("anchors_per_location", c_int32),
        ("parameters", c_int64), ("memory_bytes", c_int64), ("slice_distance_mm", c_double), ("spacing_mm", c_double),
        ("max_size", c_int32), ("score_threshold", c_float), ("detections", c_int32),
        ("reserved", c_int32),
    ]


class image(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("type", c_int32), ("width", c_int32), ("height", c_int32), ("depth", c_int32),
        ("key_slice", c_int32), ("reserved", c_int32), ("data", c_void_p), ("slices", POINTER(c_void_p)), ("data_bytes", c_size_t),
        ("offset_bytes", c_size_t), ("stride_x_bytes", c_ssize_t), ("stride_y_bytes", c_ssize_t),
        ("stride_z_bytes", c_ssize_t), ("slope", c_double), ("intercept", c_double), ("spacing_x_mm", c_double),
        ("spacing_y_mm", c_double), ("slice_interval_mm", c_double),
    ]


class session_options(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("allocator", POINTER(allocator)), ("log", log_fn), ("log_user", c_void_p),
        ("progress", progress_fn), ("progress_user", c_void_p), ("threads", c_int32), ("instructions", c_int32),
        ("score_threshold", c_float), ("nms_threshold", c_float), ("detections", c_int32), ("proposals", c_int32),
        ("class_rule", c_int32), ("no_resampling", c_int32), ("no_body_crop", c_int32), ("exact", c_int32),
        ("memory_limit", c_int64), ("keep_false_positives", c_int32), ("reserved", c_int32),
    ]


class session_info(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("threads", c_int32), ("reserved", c_int32), ("instructions", c_char_p),
        ("memory_bytes", c_int64),
    ]


class input_info(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("channels", c_int32), ("height", c_int32), ("width", c_int32),
        ("crop_left", c_int32), ("crop_top", c_int32), ("crop_width", c_int32), ("crop_height", c_int32),
        ("input_width", c_int32), ("input_height", c_int32), ("scale_x", c_double), ("scale_y", c_double),
    ]


class result_info(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("count", c_int32), ("width", c_int32), ("height", c_int32),
        ("missing_neighbours", c_int32),
    ]


class detection(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("class_index", c_int32), ("flags", c_int32), ("score", c_float),
        ("lesion_probability", c_float), ("false_positive_probability", c_float), ("reserved", c_float),
        ("x1", c_double), ("y1", c_double), ("x2", c_double), ("y2", c_double),
        ("area_px", c_double), ("area_mm2", c_double),
        ("long_x1", c_double), ("long_y1", c_double), ("long_x2", c_double), ("long_y2", c_double),
        ("long_px", c_double), ("long_mm", c_double),
        ("short_x1", c_double), ("short_y1", c_double), ("short_x2", c_double), ("short_y2", c_double),
        ("short_px", c_double), ("short_mm", c_double),
    ]


class pseudo_mask_info(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("diameters_cross", c_int32), ("polygon_points", c_int32),
        ("centre_x", c_double), ("centre_y", c_double), ("area_px", c_double), ("angle_degrees", c_double),
        ("x1", c_double), ("y1", c_double), ("x2", c_double), ("y2", c_double),
    ]


FUNCTIONS: List[Prototype] = [
    ("model_options_init", c_int32, [POINTER(model_options), c_size_t]),
    ("model_load_file", c_int32, [c_char_p, POINTER(model_options), handle_out]),
    ("model_load_memory", c_int32, [c_void_p, c_size_t, POINTER(model_options), handle_out]),
    ("model_save_packed", c_int32, [handle, c_char_p]),
    ("model_free", c_int32, [handle]),
    ("model_get_info", c_int32, [handle, POINTER(model_info)]),
    ("model_get_text", c_int32, [handle, c_int32, POINTER(c_char_p)]),
    ("model_get_class_name", c_int32, [handle, c_int32, POINTER(c_char_p)]),
    ("image_init", c_int32, [POINTER(image), c_size_t]),
    ("model_get_slice_reach", c_int32, [handle, c_double, POINTER(c_int32)]),
    ("session_options_init", c_int32, [POINTER(session_options), c_size_t]),
    ("session_create", c_int32, [handle, POINTER(session_options), handle_out]),
    ("session_free", c_int32, [handle]),
    ("session_cancel", c_int32, [handle]),
    ("session_last_error", c_char_p, [handle]),
    ("session_get_info", c_int32, [handle, POINTER(session_info)]),
    ("session_estimate_memory", c_int32, [handle, c_int32, c_int32, POINTER(c_int64)]),
    ("session_detect", c_int32, [handle, POINTER(image), handle_out]),
    ("session_forward", c_int32, [handle, POINTER(c_float), c_int32, c_int32, c_int32, handle_out]),
    ("session_get_input", c_int32,
     [handle, POINTER(image), c_int32, POINTER(c_float), c_size_t, POINTER(input_info)]),
    ("result_get_info", c_int32, [handle, POINTER(result_info)]),
    ("result_get", c_int32, [handle, c_int32, POINTER(detection)]),
    ("result_get_mask", c_int32, [handle, c_int32, POINTER(c_uint8), c_size_t, c_size_t]),
    ("result_get_mask_rle", c_int32, [handle, c_int32, POINTER(c_uint32), c_size_t, POINTER(c_size_t)]),
    ("result_get_contour_count", c_int32, [handle, c_int32, POINTER(c_int32)]),
    ("result_get_contour", c_int32, [handle, c_int32, c_int32, POINTER(c_double), c_size_t, POINTER(c_size_t)]),
    ("result_get_mask_probabilities", c_int32, [handle, c_int32, POINTER(c_float), c_size_t]),
    ("result_free", c_int32, [handle]),
    ("pseudo_mask_get_info", c_int32, [POINTER(c_double), POINTER(pseudo_mask_info)]),
    ("pseudo_mask_get_bitmap", c_int32, [POINTER(c_double), c_int32, c_int32, POINTER(c_uint8), c_size_t, c_size_t]),
    ("pseudo_mask_get_polygon", c_int32, [POINTER(c_double), POINTER(c_double), c_size_t, POINTER(c_size_t)]),
]
