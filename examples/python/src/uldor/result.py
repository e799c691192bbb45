# SPDX-License-Identifier: Apache-2.0
"""What a session found."""
from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple, Union, overload

import numpy
from numpy.typing import NDArray

from . import _abi
from ._handle import Handle
from .errors import check

Point = Tuple[float, float]


class Diameter(NamedTuple):
    """A RECIST diameter: its end points in pixels, its length in pixels and in mm (None without a spacing)."""

    start: Point
    end: Point
    px: float
    mm: Optional[float]


class Result(Handle, Sequence["Detection"]):
    """Detections, best score first. Immutable; any thread may read it. It outlives the session that made it."""

    _kind = "result"

    def __init__(self, pointer: Optional[int], class_names: Tuple[str, ...], mask_size: int) -> None:
        self._adopt(pointer, _abi.lib.uldor_result_free)
        self._class_names = class_names
        self._mask_size = mask_size
        raw = _abi.new(_abi.result_info)
        with self._use() as handle:
            check(_abi.lib.uldor_result_get_info(handle, ctypes.byref(raw)))
        self._count: int = raw.count
        self.width: int = raw.width
        """Width in pixels of the image (or tensor) that the result refers to."""
        self.height: int = raw.height
        """Height in pixels of the image (or tensor) that the result refers to."""
        self.missing_neighbours: int = raw.missing_neighbours
        """Input slices that were replaced because they are not in the image."""

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> "Detection": ...
    @overload
    def __getitem__(self, index: slice) -> List["Detection"]: ...

    def __getitem__(self, index: Union[int, slice]) -> Union["Detection", List["Detection"]]:
        if isinstance(index, slice):
            return [Detection(self, number) for number in range(self._count)[index]]
        try:
            number = range(self._count)[index]
        except IndexError:
            raise IndexError(f"detection {index} of {self._count}") from None
        return Detection(self, number)

    def __iter__(self) -> Iterator["Detection"]:
        return (Detection(self, number) for number in range(self._count))

    @property
    def boxes(self) -> NDArray[numpy.float64]:
        """Boxes x1, y1, x2, y2 of all detections, N x 4."""
        return numpy.array([found.box for found in self], numpy.float64).reshape(-1, 4)

    @property
    def scores(self) -> NDArray[numpy.float32]:
        """Scores of all detections, N."""
        return numpy.array([found.score for found in self], numpy.float32)

    @property
    def labels(self) -> NDArray[numpy.int64]:
        """Class numbers of all detections, N."""
        return numpy.array([found.label for found in self], numpy.int64)

    @property
    def masks(self) -> NDArray[numpy.bool_]:
        """Masks of all detections at the image's size, N x height x width; of many, faster than one after another."""
        return self.get_masks()

    def get_masks(self, out: Optional[NDArray[Any]] = None) -> NDArray[numpy.bool_]:
        """The same in memory of the caller's, for many slices of one size: fresh memory takes longer than the masks do. `out` is an
        array of bool or uint8, in C's order, M x height x width with M at least N; what is returned are its first N."""
        shape = (self._count, self.height, self.width)
        if out is None:
            out = numpy.empty(shape, numpy.bool_)
        elif out.dtype not in (numpy.bool_, numpy.uint8) or not out.flags.c_contiguous or not out.flags.writeable:
            raise ValueError("out must be a writeable array of bool or uint8 in C's order")
        elif out.ndim != 3 or out.shape[0] < shape[0] or out.shape[1:] != shape[1:]:
            raise ValueError(f"out has shape {out.shape}; masks of this result need {shape} or more of them")
        pixels = out[:self._count].view(numpy.uint8)
        for index in range(self._count):
            self._copy_mask(index, pixels[index])
        return pixels.view(numpy.bool_)

    def _copy_mask(self, index: int, pixels: NDArray[numpy.uint8]) -> None:
        with self._use() as handle:
            check(_abi.lib.uldor_result_get_mask(handle, index, pixels.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8)),
                                                 pixels.nbytes, 0))

    def __repr__(self) -> str:
        return f"<uldor.Result {self._count} detections in {self.width} x {self.height}>"


class Detection:
    """One finding. It keeps its result alive; masks and contours are fetched when they are first asked for and are
    read-only arrays. Coordinates are pixels, origin at the image's top-left corner, pixel i covers [i, i + 1)."""

    def __init__(self, result: Result, index: int) -> None:
        self._result = result
        self._index = index
        self._raw = _abi.new(_abi.detection)
        with result._use() as handle:
            check(_abi.lib.uldor_result_get(handle, index, ctypes.byref(self._raw)))

    @property
    def box(self) -> Tuple[float, float, float, float]:
        """x1, y1, x2, y2; the width is x2 - x1."""
        return self._raw.x1, self._raw.y1, self._raw.x2, self._raw.y2

    @property
    def score(self) -> float:
        """Probability of the class, 0..1."""
        return float(self._raw.score)

    @property
    def label(self) -> int:
        """Number of the class: 1 lesion, 2 false positive."""
        return int(self._raw.class_index)

    @property
    def class_name(self) -> str:
        """The model's name for the class."""
        return self._result._class_names[self.label]

    @property
    def lesion_probability(self) -> float:
        """p(lesion) of the region, 0..1."""
        return float(self._raw.lesion_probability)

    @property
    def false_positive_probability(self) -> float:
        """p(false positive) of the region, 0..1; 0 for models of 2 classes."""
        return float(self._raw.false_positive_probability)

    @property
    def area_px(self) -> float:
        """Set pixels of the mask."""
        return float(self._raw.area_px)

    @property
    def area_mm2(self) -> Optional[float]:
        """Area of the mask in square millimetres; None without a spacing."""
        return float(self._raw.area_mm2) if self._has_mm else None

    @property
    def _has_mm(self) -> bool:
        return bool(self._raw.flags & _abi.DETECTION_HAS_MM)

    @property
    def long_diameter(self) -> Optional[Diameter]:
        """The greatest distance within the largest piece of the mask; None where the mask is empty."""
        return self._diameter("long")

    @property
    def short_diameter(self) -> Optional[Diameter]:
        """The longest chord at a right angle to the long diameter; None where the mask is empty."""
        return self._diameter("short")

    def _diameter(self, which: str) -> Optional[Diameter]:
        raw = self._raw
        if not raw.flags & _abi.DETECTION_HAS_RECIST:
            return None
        x1, y1, x2, y2, px, mm = (getattr(raw, f"{which}_{field}") for field in ("x1", "y1", "x2", "y2", "px", "mm"))
        return Diameter((x1, y1), (x2, y2), px, mm if self._has_mm else None)

    @cached_property
    def mask(self) -> NDArray[numpy.bool_]:
        """The mask at the image's size, height x width."""
        pixels = numpy.empty((self._result.height, self._result.width), numpy.uint8)
        self._result._copy_mask(self._index, pixels)
        pixels.setflags(write=False)
        return pixels.view(numpy.bool_)

    @cached_property
    def rle(self) -> Dict[str, Any]:
        """The mask in COCO's uncompressed form, {"size": [height, width], "counts": [...]}."""
        count = ctypes.c_size_t()
        with self._result._use() as handle:
            check(_abi.lib.uldor_result_get_mask_rle(handle, self._index, None, 0, ctypes.byref(count)))
            counts = (ctypes.c_uint32 * count.value)()
            check(_abi.lib.uldor_result_get_mask_rle(handle, self._index, counts, count.value, ctypes.byref(count)))
        return {"size": [self._result.height, self._result.width], "counts": list(counts)}

    @cached_property
    def contours(self) -> List[NDArray[numpy.float64]]:
        """Closed polygons around the mask, each N x 2 of x, y, the largest first; holes have negative area."""
        found = []
        number, points = ctypes.c_int32(), ctypes.c_size_t()
        with self._result._use() as handle:
            check(_abi.lib.uldor_result_get_contour_count(handle, self._index, ctypes.byref(number)))
            for contour in range(number.value):
                check(_abi.lib.uldor_result_get_contour(handle, self._index, contour, None, 0, ctypes.byref(points)))
                xy = numpy.empty((points.value, 2), numpy.float64)
                check(_abi.lib.uldor_result_get_contour(handle, self._index, contour,
                                                        xy.ctypes.data_as(ctypes.POINTER(ctypes.c_double)),
                                                        points.value, ctypes.byref(points)))
                xy.setflags(write=False)
                found.append(xy)
        return found

    @cached_property
    def mask_probabilities(self) -> NDArray[numpy.float32]:
        """The mask head's probabilities over the box, mask_size x mask_size."""
        side = self._result._mask_size
        values = numpy.empty((side, side), numpy.float32)
        with self._result._use() as handle:
            check(_abi.lib.uldor_result_get_mask_probabilities(handle, self._index,
                                                               values.ctypes.data_as(ctypes.POINTER(ctypes.c_float)),
                                                               values.size))
        values.setflags(write=False)
        return values

    def __repr__(self) -> str:
        box = ", ".join(f"{value:.1f}" for value in self.box)
        return f"<uldor.Detection {self.class_name} {self.score:.3f} [{box}]>"
