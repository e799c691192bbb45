# SPDX-License-Identifier: Apache-2.0
"""The header's beginning: version, errors, memory, log, progress."""
from __future__ import annotations

from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_double, c_int32, c_size_t, c_void_p
from typing import Any, List, Tuple

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

log_fn = CFUNCTYPE(None, c_void_p, c_int32, c_char_p)
progress_fn = CFUNCTYPE(c_int32, c_void_p, c_double, c_char_p)
allocate_fn = CFUNCTYPE(c_void_p, c_void_p, c_size_t, c_size_t)
deallocate_fn = CFUNCTYPE(None, c_void_p, c_void_p, c_size_t)


class allocator(Structure):
    _fields_ = [("struct_size", c_size_t), ("user", c_void_p), ("allocate", allocate_fn), ("deallocate", deallocate_fn)]


# Handles are void pointers: ctypes turns those that a call returns into int or None.
handle = c_void_p
handle_out = POINTER(c_void_p)

#: A function's name without "uldor_", the type of its result, the types of its arguments.
Prototype = Tuple[str, Any, List[Any]]

FUNCTIONS: List[Prototype] = [
    ("version", c_int32, []),
    ("abi_version", c_int32, []),
    ("status_name", c_char_p, [c_int32]),
    ("last_error", c_char_p, []),
]
