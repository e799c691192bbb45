# SPDX-License-Identifier: Apache-2.0
"""Describes numpy arrays to the library where they lie, without a copy."""
from __future__ import annotations

import ctypes
from typing import Any, List, Optional, Sequence, Tuple, Union

import numpy
from numpy.typing import ArrayLike, NDArray

from . import _abi
from ._abi import int32
from ._arguments import defaults

Spacing = Union[None, float, Tuple[float, float]]
Image = Union[ArrayLike, Sequence[Optional[NDArray[Any]]]]

_TYPES = {"int16": _abi.INT16, "uint16": _abi.UINT16, "float32": _abi.FLOAT32}


def _type(array: NDArray[Any]) -> int:
    """The library's number for the array's type; TypeError, with what to do, where it has none."""
    if not array.dtype.isnative:
        raise TypeError(f"pixels of type {array.dtype} are not in this machine's byte order; "
                        "use image.astype(image.dtype.newbyteorder('='))")
    number = _TYPES.get(array.dtype.name)
    if number is None:
        raise TypeError(f"pixels of type {array.dtype}; int16, uint16 and float32 can be read: "
                        "use image.astype(numpy.int16) or image.astype(numpy.float32)")
    return number


def _strides(array: NDArray[Any], axes: int) -> List[int]:
    """Strides of the last `axes` axes, bytes. Those of axes of length 1, which numpy leaves arbitrary, become 0, "packed"
    to the library; a true stride of 0 (numpy.broadcast_to) cannot be told from that."""
    if array.size == 0:
        return [0] * axes
    strides = []
    for length, stride in list(zip(array.shape, array.strides))[-axes:]:
        if length > 1 and stride == 0:
            raise ValueError("an axis of the image repeats one value (a stride of 0): use image.copy()")
        strides.append(stride if length > 1 else 0)
    return strides


def _extent(array: NDArray[Any]) -> Tuple[int, int, int]:
    """Lowest address, bytes from there to the first pixel, bytes in all. Negative strides put the first pixel last."""
    address = array.__array_interface__["data"][0]
    if array.size == 0:
        return address, 0, 0
    steps = [(length - 1) * stride for length, stride in zip(array.shape, array.strides)]
    before = -sum(step for step in steps if step < 0)
    after = sum(step for step in steps if step > 0) + array.itemsize
    return address - before, before, before + after


class ImageDescription:
    """`raw` is the C struct; the object keeps alive all that it points to."""

    def __init__(self, image: Image, *, spacing: Spacing = None, slice_interval: Optional[float] = None,
                 slope: float = 1.0, intercept: float = 0.0, key_slice: Optional[int] = None) -> None:
        self.raw = defaults(_abi.image)
        if isinstance(image, (list, tuple)):
            self._describe_slices(image)
        else:
            array = numpy.asarray(image)
            if array.ndim == 3 and array.size and array.shape[0] > 1 and array.strides[0] == 0:
                # One slice many times over (numpy.broadcast_to): no stride says so, a table of slices does.
                self._describe_slices(list(array))
            else:
                self._describe_stack(array)
        raw = self.raw
        raw.key_slice = raw.depth // 2 if key_slice is None else int32("key_slice", key_slice)
        raw.slope, raw.intercept = slope, intercept
        if spacing is not None:
            sides = [float(side) for side in numpy.ravel(spacing)]
            if len(sides) not in (1, 2):
                raise ValueError(f"spacing {spacing}: one number, or x and y, in mm")
            raw.spacing_x_mm, raw.spacing_y_mm = sides[0], sides[-1]
        if slice_interval is not None:
            raw.slice_interval_mm = slice_interval

    def _describe_stack(self, array: NDArray[Any]) -> None:
        if array.ndim not in (2, 3):
            raise ValueError(f"an image of shape {array.shape}; it must be height x width or depth x height x width")
        raw = self.raw
        raw.type = _type(array)
        raw.depth, raw.height, raw.width = (int32("size", side) for side in (1, *array.shape)[-3:])
        strides = ([0] if array.ndim == 2 else []) + _strides(array, array.ndim)
        raw.stride_z_bytes, raw.stride_y_bytes, raw.stride_x_bytes = strides
        raw.data, raw.offset_bytes, raw.data_bytes = _extent(array)
        self._keep: Any = array

    def _describe_slices(self, slices: Sequence[Optional[NDArray[Any]]]) -> None:
        present = [item for item in slices if item is not None]
        if not present:
            raise ValueError("a sequence of slices without a slice in it")
        first = present[0]
        for item in present:
            if not isinstance(item, numpy.ndarray) or item.ndim != 2:
                raise TypeError("a sequence of slices holds height x width arrays and None; for a nested list use "
                                "numpy.asarray(image)")
            if (item.shape, item.dtype, _strides(item, 2)) != (first.shape, first.dtype, _strides(first, 2)):
                raise ValueError("slices of different shape, type or strides: use numpy.stack(slices)")
        raw = self.raw
        raw.type = _type(first)
        raw.height, raw.width = (int32("size", side) for side in first.shape)
        raw.depth = len(slices)
        raw.stride_y_bytes, raw.stride_x_bytes = _strides(first, 2)
        addresses = [None if item is None else _extent(item)[0] for item in slices]
        _, raw.offset_bytes, raw.data_bytes = _extent(first)
        table = (ctypes.c_void_p * len(slices))(*addresses)
        raw.slices = ctypes.cast(table, ctypes.POINTER(ctypes.c_void_p))
        self._keep = (list(slices), table)
