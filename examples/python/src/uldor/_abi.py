# SPDX-License-Identifier: Apache-2.0
"""include/uldor.h in ctypes: constants, structs and prototypes, in the header's order and under its names.

Nothing else in the package declares anything of the C interface. Tests/python/test_abi_layout.py compares this
file with what a C compiler makes of the header.
"""
from __future__ import annotations

import ctypes
import operator
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_double, c_float, c_int32, c_int64, c_size_t, c_ssize_t
from ctypes import c_uint8, c_uint32, c_uint64, c_void_p
from typing import Any, List, Tuple

from . import _library

lib: ctypes.CDLL = _library.load()

OK = 0
ERROR_INVALID_ARGUMENT = -1
ERROR_NOMEM = -2
ERROR_IO = -3
ERROR_FORMAT = -4
ERROR_MODEL = -5
ERROR_IMAGE = -6
ERROR_BUSY = -7
ERROR_CANCELLED = -8
ERROR_BUFFER_TOO_SMALL = -9
ERROR_DEGENERATE = -10
ERROR_UNSUPPORTED = -11
ERROR_INTERNAL = -12

LOG_WARNING = 1
LOG_INFO = 2

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

TRAINING_CALIBRATION = 0
TRAINING_STEP = 1
TRAINING_VALIDATION = 2
TRAINING_EPOCH = 3

RESUME_IF_THERE = 0
RESUME_NEVER = 1
RESUME_ALWAYS = 2

TRAINER_RUNNING = 0
TRAINER_FINISHED = 1
TRAINER_STOPPED = 2

STAGE_C2 = 0
STAGE_C3 = 1
STAGE_C4 = 2
STAGE_C5 = 3
STAGE_FPN = 4
STAGE_RPN = 5
STAGE_PROPOSALS = 6
STAGE_BOX_FEATURES = 7
STAGE_BOX_HEAD = 8
STAGE_DETECTIONS = 9
STAGE_MASK_FEATURES = 10
STAGE_MASK_HEAD = 11
STAGE_PASTE = 12

log_fn = CFUNCTYPE(None, c_void_p, c_int32, c_char_p)
progress_fn = CFUNCTYPE(c_int32, c_void_p, c_double, c_char_p)
allocate_fn = CFUNCTYPE(c_void_p, c_void_p, c_size_t, c_size_t)
deallocate_fn = CFUNCTYPE(None, c_void_p, c_void_p, c_size_t)


class allocator(Structure):
    _fields_ = [("struct_size", c_size_t), ("user", c_void_p), ("allocate", allocate_fn), ("deallocate", deallocate_fn)]


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
        ("memory_limit", c_int64),
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


class training_event(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("kind", c_int32), ("epoch", c_int32), ("epochs", c_int32), ("is_best", c_int32),
        ("step", c_int64), ("steps", c_int64), ("total_steps", c_int64), ("skipped_images", c_int64),
        ("objectness", c_double), ("rpn_box", c_double), ("classifier", c_double), ("box", c_double), ("mask", c_double),
        ("loss", c_double), ("lr", c_double), ("gradient_norm", c_double), ("images_per_second", c_double),
        ("seconds_left", c_double), ("validation_loss", c_double), ("best_loss", c_double),
    ]


training_fn = CFUNCTYPE(c_int32, c_void_p, POINTER(training_event))
sum_doubles_fn = CFUNCTYPE(c_int32, c_void_p, POINTER(c_double), c_int64)
sum_floats_fn = CFUNCTYPE(c_int32, c_void_p, POINTER(c_float), c_int64)


class reduction(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("user", c_void_p), ("rank", c_int32), ("size", c_int32),
        ("sum_doubles", sum_doubles_fn), ("sum_floats", sum_floats_fn),
    ]


class trainer_options(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("allocator", POINTER(allocator)), ("log", log_fn), ("log_user", c_void_p),
        ("progress", training_fn), ("progress_user", c_void_p), ("reduction", POINTER(reduction)),
        ("augmentation", POINTER(augmentation)), ("init_path", c_char_p), ("architecture", c_char_p),
        ("config", c_char_p), ("classes", c_int32), ("epochs", c_int32), ("output_path", c_char_p),
        ("checkpoint_path", c_char_p), ("log_path", c_char_p), ("checkpoint_steps", c_int64), ("resume", c_int32),
        ("half", c_int32), ("seed", c_uint64), ("batch", c_int32), ("accumulation", c_int32), ("lr", c_double),
        ("momentum", c_double), ("weight_decay", c_double), ("lr_factor", c_double), ("lr_epochs", c_int32),
        ("warmup_steps", c_int32), ("clip_norm", c_double), ("epoch_images", c_int64), ("validation_images", c_int64),
        ("patience", c_int32), ("trainable_layers", c_int32), ("train_split", c_int32), ("validation_split", c_int32),
        ("rpn_samples", c_int32), ("roi_samples", c_int32), ("rpn_positive", c_double), ("roi_positive", c_double),
        ("proposals", c_int32), ("no_mask_loss", c_int32), ("calibration_images", c_int32), ("on_bad_image", c_int32),
        ("threads", c_int32), ("loader_threads", c_int32), ("instructions", c_int32), ("exact", c_int32),
    ]


class trainer_state(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("status", c_int32), ("resumed", c_int32), ("epoch", c_int32), ("epochs", c_int32),
        ("step", c_int64), ("steps", c_int64), ("total_steps", c_int64), ("train_images", c_int64),
        ("validation_images", c_int64), ("skipped_images", c_int64), ("parameters", c_int64),
        ("trained_parameters", c_int64), ("memory_bytes", c_int64), ("validation_loss", c_double),
        ("best_loss", c_double), ("best_epoch", c_int32), ("threads", c_int32),
    ]


class tensor(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("name", c_char_p), ("data", POINTER(c_float)), ("rank", c_int32),
        ("reserved", c_int32), ("dims", c_int64 * 4),
    ]


class gradients_options(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("allocator", POINTER(allocator)), ("config", c_char_p), ("trainable_layers", c_int32),
        ("threads", c_int32), ("instructions", c_int32), ("exact", c_int32), ("steps", c_int32), ("rate", c_float),
        ("momentum", c_float), ("decay", c_float),
    ]


STRUCTS: Tuple[type, ...] = (
    allocator, model_options, model_info, image, session_options, session_info, input_info, result_info, detection,
    pseudo_mask_info, froc_options, froc_image, froc_info, froc_subset, froc_sensitivity, mask_overlap_info,
    dataset_options, source_lesion, source_image, source, dataset_info, dataset_image, dataset_lesion,
    augmentation, training_event, reduction, trainer_options, trainer_state, tensor, gradients_options)

# Handles are void pointers: ctypes turns those that a call returns into int or None.
_handle = c_void_p
_handle_out = POINTER(c_void_p)
_recist = POINTER(c_double)

PROTOTYPES: List[Tuple[str, Any, List[Any]]] = [
    ("version", c_int32, []),
    ("abi_version", c_int32, []),
    ("status_name", c_char_p, [c_int32]),
    ("last_error", c_char_p, []),
    ("model_options_init", c_int32, [POINTER(model_options), c_size_t]),
    ("model_load_file", c_int32, [c_char_p, POINTER(model_options), _handle_out]),
    ("model_load_memory", c_int32, [c_void_p, c_size_t, POINTER(model_options), _handle_out]),
    ("model_free", c_int32, [_handle]),
    ("model_get_info", c_int32, [_handle, POINTER(model_info)]),
    ("model_get_text", c_int32, [_handle, c_int32, POINTER(c_char_p)]),
    ("model_get_class_name", c_int32, [_handle, c_int32, POINTER(c_char_p)]),
    ("image_init", c_int32, [POINTER(image), c_size_t]),
    ("model_get_slice_reach", c_int32, [_handle, c_double, POINTER(c_int32)]),
    ("session_options_init", c_int32, [POINTER(session_options), c_size_t]),
    ("session_create", c_int32, [_handle, POINTER(session_options), _handle_out]),
    ("session_free", c_int32, [_handle]),
    ("session_cancel", c_int32, [_handle]),
    ("session_last_error", c_char_p, [_handle]),
    ("session_get_info", c_int32, [_handle, POINTER(session_info)]),
    ("session_estimate_memory", c_int32, [_handle, c_int32, c_int32, POINTER(c_int64)]),
    ("session_detect", c_int32, [_handle, POINTER(image), _handle_out]),
    ("session_forward", c_int32, [_handle, POINTER(c_float), c_int32, c_int32, c_int32, _handle_out]),
    ("session_get_input", c_int32,
     [_handle, POINTER(image), c_int32, POINTER(c_float), c_size_t, POINTER(input_info)]),
    ("result_get_info", c_int32, [_handle, POINTER(result_info)]),
    ("result_get", c_int32, [_handle, c_int32, POINTER(detection)]),
    ("result_get_mask", c_int32, [_handle, c_int32, POINTER(c_uint8), c_size_t, c_size_t]),
    ("result_get_mask_rle", c_int32, [_handle, c_int32, POINTER(c_uint32), c_size_t, POINTER(c_size_t)]),
    ("result_get_contour_count", c_int32, [_handle, c_int32, POINTER(c_int32)]),
    ("result_get_contour", c_int32, [_handle, c_int32, c_int32, POINTER(c_double), c_size_t, POINTER(c_size_t)]),
    ("result_get_mask_probabilities", c_int32, [_handle, c_int32, POINTER(c_float), c_size_t]),
    ("result_free", c_int32, [_handle]),
    ("pseudo_mask_get_info", c_int32, [_recist, POINTER(pseudo_mask_info)]),
    ("pseudo_mask_get_bitmap", c_int32, [_recist, c_int32, c_int32, POINTER(c_uint8), c_size_t, c_size_t]),
    ("pseudo_mask_get_polygon", c_int32, [_recist, POINTER(c_double), c_size_t, POINTER(c_size_t)]),
    ("froc_options_init", c_int32, [POINTER(froc_options), c_size_t]),
    ("froc_create", c_int32, [POINTER(froc_options), _handle_out]),
    ("froc_free", c_int32, [_handle]),
    ("froc_image_init", c_int32, [POINTER(froc_image), c_size_t]),
    ("froc_add_image", c_int32, [_handle, POINTER(froc_image), POINTER(c_int32)]),
    ("froc_compute", c_int32, [_handle, POINTER(c_double), c_size_t]),
    ("froc_get_info", c_int32, [_handle, POINTER(froc_info)]),
    ("froc_get_subset", c_int32, [_handle, c_int32, POINTER(froc_subset)]),
    ("froc_get_sensitivity", c_int32, [_handle, c_int32, c_int32, POINTER(froc_sensitivity)]),
    ("froc_get_curve", c_int32, [_handle, POINTER(c_double), c_size_t, POINTER(c_size_t)]),
    ("mask_overlap", c_int32,
     [POINTER(c_uint8), c_size_t, POINTER(c_uint8), c_size_t, c_int32, c_int32, POINTER(mask_overlap_info)]),
    ("mask_overlap_rle", c_int32, [POINTER(c_uint32), c_size_t, POINTER(c_uint32), c_size_t, POINTER(mask_overlap_info)]),
    ("dataset_options_init", c_int32, [POINTER(dataset_options), c_size_t]),
    ("dataset_open_deeplesion", c_int32, [c_char_p, POINTER(dataset_options), _handle_out]),
    ("source_init", c_int32, [POINTER(source), c_size_t]),
    ("dataset_open_callbacks", c_int32, [POINTER(source), POINTER(dataset_options), _handle_out]),
    ("dataset_free", c_int32, [_handle]),
    ("dataset_get_info", c_int32, [_handle, POINTER(dataset_info)]),
    ("dataset_get_image", c_int32, [_handle, c_int64, POINTER(dataset_image)]),
    ("dataset_get_lesion", c_int32, [_handle, c_int64, c_int32, POINTER(dataset_lesion)]),
    ("dataset_get_mask", c_int32, [_handle, c_int64, c_int32, POINTER(c_uint8), c_size_t, c_size_t, POINTER(c_int64)]),
    ("dataset_find", c_int32, [_handle, c_char_p, POINTER(c_int64)]),
    ("dataset_read_image", c_int32, [_handle, c_int64, c_int32, _handle_out]),
    ("slices_get_image", c_int32, [_handle, POINTER(image)]),
    ("slices_free", c_int32, [_handle]),
    ("dataset_check", c_int32, [_handle, c_int32, report_fn, c_void_p, POINTER(c_int64)]),
    ("augmentation_init", c_int32, [POINTER(augmentation), c_size_t]),
    ("trainer_options_init", c_int32, [POINTER(trainer_options), c_size_t]),
    ("trainer_create", c_int32, [_handle, _handle, POINTER(trainer_options), _handle_out]),
    ("trainer_free", c_int32, [_handle]),
    ("trainer_run", c_int32, [_handle, c_int64]),
    ("trainer_cancel", c_int32, [_handle]),
    ("trainer_get_state", c_int32, [_handle, POINTER(trainer_state)]),
    ("trainer_report", c_int32, [_handle, report_fn, c_void_p]),
    ("trainer_save", c_int32, [_handle, c_char_p, c_int32]),
    ("trainer_write_checkpoint", c_int32, [_handle, c_char_p]),
    ("trainer_last_error", c_char_p, [_handle]),
    ("tensors_create", c_int32, [POINTER(allocator), _handle_out]),
    ("tensors_free", c_int32, [_handle]),
    ("tensors_add", c_int32, [_handle, c_char_p, POINTER(c_float), c_int32, POINTER(c_int64)]),
    ("tensors_get_count", c_int32, [_handle, POINTER(c_int32)]),
    ("tensors_get", c_int32, [_handle, c_int32, POINTER(tensor)]),
    ("session_run_stage", c_int32, [_handle, c_int32, _handle, _handle_out]),
    ("gradients_options_init", c_int32, [POINTER(gradients_options), c_size_t]),
    ("run_gradients", c_int32, [c_char_p, POINTER(gradients_options), _handle, _handle_out]),
    ("dataset_get_example", c_int32,
     [_handle, _handle, c_int64, POINTER(augmentation), c_uint64, c_int64, _handle_out]),
]

for _name, _result, _arguments in PROTOTYPES:
    try:
        _function = getattr(lib, "uldor_" + _name)
    except AttributeError:
        raise ImportError(f"{lib._name} has no uldor_{_name}: it is older than this package") from None
    _function.restype = _result
    _function.argtypes = _arguments


def int32(name: str, value: Any) -> int:
    """`value` as an integer that an int32_t holds. ctypes would drop the upper bits of a larger one without a word."""
    number = operator.index(value)
    if not -2**31 <= number < 2**31:
        raise ValueError(f"{name} {number} is out of range")
    return number


def new(struct: Any) -> Any:
    """A zeroed struct that says its own size: what the library expects of a struct that it is to fill."""
    value = struct()
    value.struct_size = ctypes.sizeof(struct)
    return value
