# SPDX-License-Identifier: Apache-2.0
"""A training run."""
from __future__ import annotations

from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_double, c_float, c_int32
from ctypes import c_int64, c_size_t, c_uint64, c_void_p
from typing import List

from .common import Prototype, allocator, handle, handle_out, log_fn
from .data import augmentation, report_fn
from .mining import mining_options

TRAINING_CALIBRATION = 0
TRAINING_STEP = 1
TRAINING_VALIDATION = 2
TRAINING_EPOCH = 3
TRAINING_MINING = 4

OPTIMISER_SGD = 0
OPTIMISER_ADAMW = 1

RATE_STEPS = 0
RATE_COSINE = 1

TRAINER_RUNNING = 0
TRAINER_FINISHED = 1
TRAINER_STOPPED = 2


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
        ("mining", POINTER(mining_options)), ("mined_path", c_char_p), ("mined_output_path", c_char_p),
        ("mined_by_any_model", c_int32), ("optimiser", c_int32), ("second_momentum", c_double), ("lr_schedule", c_int32),
        ("reserved", c_int32),
    ]


class trainer_state(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("status", c_int32), ("resumed", c_int32), ("epoch", c_int32), ("epochs", c_int32),
        ("step", c_int64), ("steps", c_int64), ("total_steps", c_int64), ("train_images", c_int64),
        ("validation_images", c_int64), ("skipped_images", c_int64), ("parameters", c_int64),
        ("trained_parameters", c_int64), ("memory_bytes", c_int64), ("validation_loss", c_double),
        ("best_loss", c_double), ("best_epoch", c_int32), ("threads", c_int32),
    ]


FUNCTIONS: List[Prototype] = [
    ("trainer_options_init", c_int32, [POINTER(trainer_options), c_size_t]),
    ("trainer_create", c_int32, [handle, handle, POINTER(trainer_options), handle_out]),
    ("trainer_free", c_int32, [handle]),
    ("trainer_run", c_int32, [handle, c_int64]),
    ("trainer_cancel", c_int32, [handle]),
    ("trainer_get_state", c_int32, [handle, POINTER(trainer_state)]),
    ("trainer_report", c_int32, [handle, report_fn, c_void_p]),
    ("trainer_save", c_int32, [handle, c_char_p, c_int32]),
    ("trainer_write_checkpoint", c_int32, [handle, c_char_p]),
    ("trainer_last_error", c_char_p, [handle]),
]
