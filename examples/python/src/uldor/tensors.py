# SPDX-License-Identifier: Apache-2.0
"""Sets of named tensors, and the stages of the network that take and return them."""
from __future__ import annotations

import ctypes
from typing import Dict, Mapping, Optional

import numpy
from numpy.typing import ArrayLike, NDArray

from . import _abi
from ._handle import Handle
from .errors import check

#: Stages of Session.run_stage(), in the network's order.
STAGES = {
    name: getattr(_abi, "STAGE_" + name.upper())
    for name in ("c2", "c3", "c4", "c5", "fpn", "rpn", "proposals", "box_features", "box_head", "detections",
                 "mask_features", "mask_head", "paste")
}


class TensorSet(Handle):
    """A `uldor_tensors`: owned, filled from and read into numpy arrays."""

    _kind = "set of tensors"

    def __init__(self, pointer: Optional[int]) -> None:
        self._adopt(pointer, _abi.lib.uldor_tensors_free)

    @classmethod
    def of(cls, arrays: Mapping[str, ArrayLike]) -> "TensorSet":
        """A set with a float32 copy of each array, rank 1..4."""
        handle = ctypes.c_void_p()
        check(_abi.lib.uldor_tensors_create(None, ctypes.byref(handle)))
        self = cls(handle.value)
        with self._use() as pointer:
            for name, value in arrays.items():
                array = numpy.require(value, numpy.float32, ["C", "A"])
                dims = (ctypes.c_int64 * max(array.ndim, 1))(*array.shape)
                check(_abi.lib.uldor_tensors_add(pointer, name.encode("utf-8"),
                                                 array.ctypes.data_as(ctypes.POINTER(ctypes.c_float)), array.ndim, dims))
        return self

    def arrays(self) -> Dict[str, NDArray[numpy.float32]]:
        """Copies of the tensors, in their order."""
        found: Dict[str, NDArray[numpy.float32]] = {}
        count = ctypes.c_int32()
        raw = _abi.new(_abi.tensor)
        with self._use() as pointer:
            check(_abi.lib.uldor_tensors_get_count(pointer, ctypes.byref(count)))
            for index in range(count.value):
                check(_abi.lib.uldor_tensors_get(pointer, index, ctypes.byref(raw)))
                shape = tuple(raw.dims[: raw.rank])
                # A tensor without values may have no address, which numpy would refuse.
                found[raw.name.decode("utf-8")] = (
                    numpy.ctypeslib.as_array(raw.data, shape).copy() if all(shape) else numpy.empty(shape, numpy.float32))
        return found
