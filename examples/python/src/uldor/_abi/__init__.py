# SPDX-License-Identifier: Apache-2.0
"""include/uldor.h in ctypes: constants, structs and prototypes under the header's names, a module for each part of the
header and in its order.

Nothing else in the package declares anything of the C interface. Tests/python/test_abi_layout.py compares it with what a
C compiler makes of the header.
"""
from __future__ import annotations

import ctypes
import operator
from typing import Any, List, Tuple

from .. import _library
from . import common, data, evaluation, inference, mining, stages, training
from .common import *
from .data import *
from .evaluation import *
from .inference import *
from .mining import *
from .stages import *
from .training import *

_SECTIONS = (common, inference, evaluation, data, mining, training, stages)

STRUCTS: Tuple[type, ...] = tuple(
    kind for section in _SECTIONS for kind in vars(section).values()
    if isinstance(kind, type) and issubclass(kind, ctypes.Structure) and kind.__module__ == section.__name__)
PROTOTYPES: List[Prototype] = [prototype for section in _SECTIONS for prototype in section.FUNCTIONS]


def _load() -> ctypes.CDLL:
    library = _library.load()
    for name, result, arguments in PROTOTYPES:
        try:
            function = getattr(library, "uldor_" + name)
        except AttributeError:
            raise ImportError(f"{library._name} has no uldor_{name}: it is older than this package") from None
        function.restype = result
        function.argtypes = arguments
    return library


lib: ctypes.CDLL = _load()


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
