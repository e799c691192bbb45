# SPDX-License-Identifier: Apache-2.0
"""FROC and average precision, image by image; overlap of masks."""
from __future__ import annotations

import ctypes
import math
from dataclasses import asdict, dataclass
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy
from numpy.typing import ArrayLike, NDArray

from . import _abi
from ._abi import int32
from ._arguments import choose, defaults
from ._handle import Handle
from .errors import check

CONVENTIONS = {"paper": _abi.FROC_PAPER, "deeplesion": _abi.FROC_DEEPLESION}
FALSE_POSITIVES = {
    "lesion_score": _abi.FROC_APPEND_BY_LESION_SCORE, "score": _abi.FROC_APPEND_BY_SCORE, "ignore": _abi.FROC_IGNORE}
_KINDS = {_abi.FROC_ALL: "all", _abi.FROC_TYPE: "type", _abi.FROC_SIZE: "size", _abi.FROC_GROUP: "group"}
#: The paper's levels, and 5, of which its abstract speaks.
LEVELS = (0.5, 1.0, 2.0, 4.0, 5.0, 8.0, 16.0)


@dataclass(frozen=True)
class Sensitivity:
    """At one level of false positives an image. NaN where the curve does not reach it; the interval is NaN without a bootstrap."""

    level: float
    sensitivity: float
    low: float
    high: float
    reached: bool
    samples: int


@dataclass(frozen=True)
class FrocSubset:
    """Some of the lesions; `sensitivity` is the maximum, hits / lesions."""

    kind: str  #: "all", "type", "size" or "group"
    value: int  #: of type or group; index of the size class
    low_mm: float
    high_mm: float
    lesions: int
    hits: int
    sensitivity: float
    low: float
    high: float
    samples: int
    at: Tuple[Sensitivity, ...]

    @property
    def name(self) -> str:
        if self.kind == "size":
            if self.low_mm == 0:
                return "all sizes" if math.isinf(self.high_mm) else f"< {self.high_mm:g} mm"
            return f"> {self.low_mm:g} mm" if math.isinf(self.high_mm) else f"{self.low_mm:g}-{self.high_mm:g} mm"
        return "all" if self.kind == "all" else f"{self.kind} {self.value}"


@dataclass(frozen=True)
class FrocResult:
    """What Froc.compute() found. `curve` has rows of score, false positives an image, sensitivity. Intervals (low, high) are NaN without
    a bootstrap; those of average precision are over the samples with a lesion, `all.samples`."""

    convention: str
    images: int
    patients: int
    lesions: int
    detections: int
    hits: int
    false_positives: int
    repeats: int
    ignored: int
    average_precision: float
    average_precision_all_points: float
    average_precision_50_95: float
    subsets: Tuple[FrocSubset, ...]
    curve: NDArray[numpy.float64]
    average_precision_interval: Tuple[float, float]
    average_precision_all_points_interval: Tuple[float, float]
    average_precision_50_95_interval: Tuple[float, float]

    @property
    def all(self) -> FrocSubset:
        return self.subsets[0]

    def as_dict(self) -> Dict[str, Any]:
        """Plain values, the curve as lists."""
        return {**asdict(self), "curve": self.curve.tolist()}

    def table(self) -> str:
        """Sensitivities in %, a row a subset; "-": not reached."""
        def cell(value: float, low: float, high: float) -> str:
            if math.isnan(value):
                return "-"
            interval = "" if math.isnan(low) else f" ({100 * low:.1f}-{100 * high:.1f})"
            return f"{100 * value:.2f}{interval}"

        head = ["", "lesions", *(f"{s.level:g}" for s in self.all.at), "max"]
        rows = [[s.name, str(s.lesions), *(cell(a.sensitivity, a.low, a.high) for a in s.at),
                 cell(s.sensitivity, s.low, s.high)] for s in self.subsets]
        widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
        lines = ["  ".join(text.ljust(w) if i == 0 else text.rjust(w) for i, (text, w) in enumerate(zip(row, widths)))
                 for row in [head, *rows]]
        return "\n".join(lines)


def _array(values: Optional[ArrayLike], kind: Any, shape: Tuple[int, ...], name: str) -> Optional[NDArray[Any]]:
    if values is None:
        return None
    array = numpy.require(values, kind, ["C", "A"])
    if array.size == 0 and math.prod(shape) == 0:
        return numpy.zeros(shape, kind)
    if array.shape != shape:
        raise ValueError(f"{name} has the shape {array.shape}, not {shape}")
    return array


def _address(array: Optional[NDArray[Any]], kind: Any) -> Any:
    return None if array is None else array.ctypes.data_as(ctypes.POINTER(kind))


class Froc(Handle):
    """Free-response ROC and average precision, image by image.

        froc = uldor.Froc(bootstrap=1000)
        froc.add(patient, lesions, boxes, scores)   # for every image, those without lesions, too
        print(froc.compute().table())

    `convention` is "paper" or "deeplesion"; docs/evaluation.md explains them. `bootstrap` samples of patients, drawn from `seed`, give
    intervals of `confidence`; 0: none. `false_positives` says where detections of the class of that name stand: "lesion_score" and
    "score" put them behind all lesions, in that order, "ignore" leaves them out. `size_bounds` are those between size classes, mm;
    by default 10 and 30. `threads` 0: all cores.

    Raises InvalidArgument, NoMemory.
    """

    _kind = "FROC"

    def __init__(self, convention: str = "paper", iou_threshold: float = 0.5, bootstrap: int = 0, seed: int = 0,
                 confidence: float = 0.95, threads: int = 0, false_positives: str = "lesion_score",
                 size_bounds: Optional[Sequence[float]] = None) -> None:
        raw = defaults(_abi.froc_options)
        self.convention = convention
        raw.convention = choose(CONVENTIONS, "convention", convention)
        raw.false_positives = choose(FALSE_POSITIVES, "false_positives", false_positives)
        raw.iou_threshold, raw.bootstrap_samples = iou_threshold, int32("bootstrap", bootstrap)
        raw.seed, raw.confidence, raw.threads = seed, confidence, int32("threads", threads)
        if size_bounds is not None:
            raw.size_bounds_mm = (ctypes.c_double * max(len(size_bounds), 1))(*size_bounds)
            raw.size_bound_count = len(size_bounds)
        handle = ctypes.c_void_p()
        check(_abi.lib.uldor_froc_create(ctypes.byref(raw), ctypes.byref(handle)))
        self._adopt(handle.value, _abi.lib.uldor_froc_free)

    def add(self, patient: int, lesions: ArrayLike, boxes: ArrayLike, scores: ArrayLike, *,
            types: Optional[ArrayLike] = None, sizes: Optional[ArrayLike] = None, groups: Optional[ArrayLike] = None,
            classes: Optional[ArrayLike] = None, lesion_scores: Optional[ArrayLike] = None) -> NDArray[numpy.int32]:
        """Adds an image: N lesions as N x 4 boxes (x1, y1, x2, y2) with `types`, `sizes` (long diameters, mm) and `groups`, and M
        detections as M x 4 boxes with scores, `classes` (1 lesion, 2 false positive) and probabilities of lesion. `patient` is a
        number; the bootstrap draws all of a patient's images together. Returns for each detection the index of the lesion that it hits, -1 (false positive), -2 (repeat)
        or -3 (ignored)."""
        n, d = len(numpy.asarray(lesions)), len(numpy.asarray(scores))
        arrays = {
            "lesion_boxes": (_array(lesions, numpy.float64, (n, 4), "lesions"), ctypes.c_double),
            "lesion_types": (_array(types, numpy.int32, (n,), "types"), ctypes.c_int32),
            "lesion_sizes_mm": (_array(sizes, numpy.float64, (n,), "sizes"), ctypes.c_double),
            "lesion_groups": (_array(groups, numpy.int32, (n,), "groups"), ctypes.c_int32),
            "boxes": (_array(boxes, numpy.float64, (d, 4), "boxes"), ctypes.c_double),
            "scores": (_array(scores, numpy.float64, (d,), "scores"), ctypes.c_double),
            "lesion_scores": (_array(lesion_scores, numpy.float64, (d,), "lesion_scores"), ctypes.c_double),
            "classes": (_array(classes, numpy.int32, (d,), "classes"), ctypes.c_int32),
        }
        raw = _abi.new(_abi.froc_image)
        raw.patient, raw.lesion_count, raw.detection_count = patient, n, d
        for name, (array, kind) in arrays.items():
            setattr(raw, name, _address(array, kind))
        matches = numpy.zeros(d, numpy.int32)
        with self._use() as pointer:
            check(_abi.lib.uldor_froc_add_image(pointer, ctypes.byref(raw), _address(matches, ctypes.c_int32)))
        return matches

    def compute(self, levels: Sequence[float] = LEVELS) -> FrocResult:
        """Everything, with sensitivities at these levels of false positives an image."""
        values = (ctypes.c_double * max(len(levels), 1))(*levels)
        info, subset, found = _abi.new(_abi.froc_info), _abi.new(_abi.froc_subset), _abi.new(_abi.froc_sensitivity)
        subsets: List[FrocSubset] = []
        lib = _abi.lib
        with self._use() as pointer:
            check(lib.uldor_froc_compute(pointer, values, len(levels)))
            check(lib.uldor_froc_get_info(pointer, ctypes.byref(info)))
            for index in range(info.subsets):
                check(lib.uldor_froc_get_subset(pointer, index, ctypes.byref(subset)))
                at = []
                for level in range(info.levels):
                    check(lib.uldor_froc_get_sensitivity(pointer, index, level, ctypes.byref(found)))
                    at.append(Sensitivity(found.level, found.sensitivity, found.low, found.high, bool(found.reached),
                                          found.samples))
                subsets.append(FrocSubset(_KINDS[subset.kind], subset.value, subset.low_mm, subset.high_mm, subset.lesions,
                                          subset.hits, subset.sensitivity, subset.low, subset.high, subset.samples,
                                          tuple(at)))
            count = ctypes.c_size_t()
            check(lib.uldor_froc_get_curve(pointer, None, 0, ctypes.byref(count)))
            curve = numpy.empty((count.value, 3))
            if count.value:
                check(lib.uldor_froc_get_curve(pointer, _address(curve, ctypes.c_double), count.value, ctypes.byref(count)))
        return FrocResult(self.convention, info.images, info.patients, info.lesions, info.detections, info.hits,
                          info.false_positives, info.repeats, info.ignored, info.average_precision,
                          info.average_precision_all_points, info.average_precision_50_95, tuple(subsets), curve,
                          (info.average_precision_low, info.average_precision_high),
                          (info.average_precision_all_points_low, info.average_precision_all_points_high),
                          (info.average_precision_50_95_low, info.average_precision_50_95_high))

    @property
    def memory_bytes(self) -> int:
        """Held by the library now."""
        return int(self._get(_abi.lib.uldor_froc_get_info, _abi.froc_info).memory_bytes)


class MaskOverlap(NamedTuple):
    """Areas in pixels; iou and dice are 0 where both masks are empty."""

    area_a: int
    area_b: int
    intersection: int
    iou: float
    dice: float


def mask_overlap(a: ArrayLike, b: ArrayLike) -> MaskOverlap:
    """Of two height x width masks, or of two run lengths (1-d, zeros first, as Detection.rle has them)."""
    raw = _abi.new(_abi.mask_overlap_info)
    first, second = numpy.asarray(a), numpy.asarray(b)
    if first.ndim == 1 and second.ndim == 1:
        runs = [numpy.require(x, numpy.uint32, ["C", "A"]) for x in (first, second)]
        check(_abi.lib.uldor_mask_overlap_rle(_address(runs[0], ctypes.c_uint32), len(runs[0]),
                                              _address(runs[1], ctypes.c_uint32), len(runs[1]), ctypes.byref(raw)))
    else:
        if first.ndim != 2 or first.shape != second.shape:
            raise ValueError(f"masks of {first.shape} and {second.shape}")
        bytes_ = [numpy.require(x != 0, numpy.bool_, ["C", "A"]).view(numpy.uint8) for x in (first, second)]
        height, width = first.shape
        check(_abi.lib.uldor_mask_overlap(_address(bytes_[0], ctypes.c_uint8), 0, _address(bytes_[1], ctypes.c_uint8), 0,
                                          int32("width", width), int32("height", height), ctypes.byref(raw)))
    return MaskOverlap(raw.area_a, raw.area_b, raw.intersection, raw.iou, raw.dice)
