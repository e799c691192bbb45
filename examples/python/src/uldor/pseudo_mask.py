# SPDX-License-Identifier: Apache-2.0
"""Masks made from RECIST diameters."""
from __future__ import annotations

import ctypes
from functools import cached_property
from typing import Optional, Sequence, Tuple, Union

import numpy
from numpy.typing import ArrayLike, NDArray

from . import _abi
from ._abi import int32
from .errors import check


class PseudoMask:
    """The union of the four quarters of ellipses that two RECIST diameters span.

    `recist` holds the end points of the long and of the short diameter, 8 numbers x11, y11, x12, y12, x21, y21, x22, y22
    (or 4 x 2), in pixels with the origin at the image's top-left corner. `size` is the default (width, height) of
    bitmap().

    Raises Degenerate for a diameter of length 0 or four points on a line, InvalidArgument for coordinates that are not
    finite or beyond +-1e6.
    """

    def __init__(self, recist: ArrayLike, size: Optional[Tuple[int, int]] = None) -> None:
        values = numpy.array(recist, numpy.float64)
        if values.size != 8:
            raise ValueError(f"{values.size} numbers; RECIST diameters are 8: x11, y11, x12, y12, x21, y21, x22, y22")
        self._recist = (ctypes.c_double * 8)(*values.ravel())
        self.size = size
        self._raw = _abi.new(_abi.pseudo_mask_info)
        check(_abi.lib.uldor_pseudo_mask_get_info(self._recist, ctypes.byref(self._raw)))

    @classmethod
    def from_deeplesion(cls, measurement: Union[str, Sequence[float]],
                        size: Optional[Tuple[int, int]] = None) -> "PseudoMask":
        """From DeepLesion's Measurement_coordinates, "x11, y11, ..." or 8 numbers: 1-based pixel centres."""
        numbers = measurement.split(",") if isinstance(measurement, str) else measurement
        return cls([float(number) - 0.5 for number in numbers], size)

    @property
    def crosses(self) -> bool:
        """Whether the diameters cross, on both segments; if not, the centre is the mean of their mid-points."""
        return bool(self._raw.diameters_cross)

    @property
    def centre(self) -> Tuple[float, float]:
        """The point x, y that the quarters meet in."""
        return self._raw.centre_x, self._raw.centre_y

    @property
    def area(self) -> float:
        """Exact area in square pixels."""
        return float(self._raw.area_px)

    @property
    def angle(self) -> float:
        """Angle between the diameters in degrees, 0..90."""
        return float(self._raw.angle_degrees)

    @property
    def box(self) -> Tuple[float, float, float, float]:
        """Bounding box x1, y1, x2, y2."""
        return self._raw.x1, self._raw.y1, self._raw.x2, self._raw.y2

    @cached_property
    def polygon(self) -> NDArray[numpy.float64]:
        """Points x, y around the mask, N x 2; read-only."""
        points = ctypes.c_size_t()
        check(_abi.lib.uldor_pseudo_mask_get_polygon(self._recist, None, 0, ctypes.byref(points)))
        xy = numpy.empty((points.value, 2), numpy.float64)
        check(_abi.lib.uldor_pseudo_mask_get_polygon(self._recist, xy.ctypes.data_as(ctypes.POINTER(ctypes.c_double)),
                                                     points.value, ctypes.byref(points)))
        xy.setflags(write=False)
        return xy

    def bitmap(self, width: Optional[int] = None, height: Optional[int] = None) -> NDArray[numpy.bool_]:
        """The mask in an image, height x width: the pixels whose centre lies in it."""
        if width is None and height is None and self.size is not None:
            width, height = self.size
        if width is None or height is None:
            raise ValueError("bitmap() needs a width and a height; or give PseudoMask a size")
        # Rejected here because numpy would refuse a negative shape before the library can say what is wrong.
        if width < 1 or height < 1:
            raise ValueError(f"a bitmap of {width} x {height} pixels")
        size = int32("width", width), int32("height", height)
        pixels = numpy.empty((height, width), numpy.uint8)
        check(_abi.lib.uldor_pseudo_mask_get_bitmap(self._recist, *size,
                                                    pixels.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8)),
                                                    pixels.nbytes, 0))
        return pixels.view(numpy.bool_)

    def __repr__(self) -> str:
        return f"<uldor.PseudoMask {self.area:.1f} px at ({self.centre[0]:.1f}, {self.centre[1]:.1f})>"
