# SPDX-License-Identifier: Apache-2.0
"""Single stages, gradients of one batch, single examples: what other implementations are compared with."""
from __future__ import annotations

from ctypes import POINTER, Structure, c_char_p, c_float, c_int32, c_int64, c_size_t, c_uint64
from typing import List

from .common import Prototype, allocator, handle, handle_out
from .data import augmentation

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


FUNCTIONS: List[Prototype] = [
    ("tensors_create", c_int32, [POINTER(allocator), handle_out]),
    ("tensors_free", c_int32, [handle]),
    ("tensors_add", c_int32, [handle, c_char_p, POINTER(c_float), c_int32, POINTER(c_int64)]),
    ("tensors_get_count", c_int32, [handle, POINTER(c_int32)]),
    ("tensors_get", c_int32, [handle, c_int32, POINTER(tensor)]),
    ("session_run_stage", c_int32, [handle, c_int32, handle, handle_out]),
    ("gradients_options_init", c_int32, [POINTER(gradients_options), c_size_t]),
    ("run_gradients", c_int32, [c_char_p, POINTER(gradients_options), handle, handle_out]),
    ("dataset_get_example", c_int32,
     [handle, handle, c_int64, POINTER(augmentation), c_uint64, c_int64, handle_out]),
]
