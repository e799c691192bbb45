# SPDX-License-Identifier: Apache-2.0
"""Annotated slices: what a detector is trained on and measured against."""
from __future__ import annotations

import ctypes
import threading
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy
from numpy.typing import ArrayLike, NDArray

from . import _abi
from ._abi import int32
from ._arguments import ON_BAD, Path, choose, defaults, path_bytes
from ._callbacks import Guard, Log, log_callback
from ._handle import Handle
from ._image import Image, ImageDescription, Spacing
from .errors import check
from .model import Model
from .tensors import TensorSet

Box = Tuple[float, float, float, float]

SPLITS = {"train": _abi.SPLIT_TRAIN, "validation": _abi.SPLIT_VALIDATION, "test": _abi.SPLIT_TEST}
MASKS = {
    "pseudo": _abi.MASKS_PSEUDO, "given": _abi.MASKS_GIVEN, "given_or_pseudo": _abi.MASKS_GIVEN_OR_PSEUDO,
    "none": _abi.MASKS_NONE,
}
_NEGATIVES = {"none": _abi.NEGATIVES_NONE, "unmasked": _abi.NEGATIVES_UNMASKED}
_SPLIT_NAMES = {number: name for name, number in SPLITS.items()}


class DatasetInfo(NamedTuple):
    """What a data set holds and what was left out when it was opened; dictionaries are by split."""

    images: int
    lesions: int
    images_of_split: Dict[str, int]
    lesions_of_split: Dict[str, int]
    negatives: int
    rows: int
    noisy_rows: int
    bad_rows: int
    bad_images: int
    repeated_boxes: int
    lesions_outside_window: int
    images_outside_window: int


class DatasetImage(NamedTuple):
    """An image of a data set, without its pixels. `csv_line` is 0 where no row names it; `size` is (height, width) of the
    window, `window` its left and top in the stored image; spacing (x, y) and slice interval in mm, 0: not known."""

    name: str
    patient: int
    csv_line: int
    split: str
    lesions: int
    size: Tuple[int, int]
    window: Tuple[int, int]
    spacing: Tuple[float, float]
    slice_interval: float


class DatasetLesion(NamedTuple):
    """An annotated lesion, in continuous pixels of the image. `recist` is 4 x 2 (long, then short diameter) or None;
    `diameters_px` and `diameters_mm` are (long, short)."""

    box: Box
    recist: Optional[NDArray[numpy.float64]]
    has_mask: bool
    type: int
    class_index: int
    csv_line: int
    diameters_px: Tuple[float, float]
    diameters_mm: Tuple[float, float]


class SourceLesion(NamedTuple):
    """A lesion of a SourceImage: `box` (x1, y1, x2, y2) or None (then around the diameters), `recist` 8 numbers
    or None, `mask` height x width of bool or None, `type` 1..8 or -1, `class_index` 1 (lesion) or 2 (false positive)."""

    box: Optional[Box] = None
    recist: Optional[ArrayLike] = None
    mask: Optional[NDArray[Any]] = None
    type: int = -1
    class_index: int = 1


class SourceImage(NamedTuple):
    """An image of the caller's own, for Dataset.from_source. `read` returns the pixels as `Session.detect` takes them (an array, height x width
    or depth x height x width, or a list of slices and None) whenever they are needed, from any thread."""

    size: Tuple[int, int]
    read: Callable[[], Image]
    lesions: Sequence[SourceLesion] = ()
    name: Optional[str] = None
    patient: int = 0
    split: str = "train"
    spacing: Spacing = None
    slice_interval: Optional[float] = None
    slope: float = 1.0
    intercept: float = 0.0
    key_slice: Optional[int] = None


class Augmentation(NamedTuple):
    """How training images are varied (uldor.h, uldor_augmentation)."""

    scale: Tuple[float, float] = (0.8, 1.2)
    position: int = 8
    slice_part: float = 0.5
    flip_x: float = 0.0
    flip_y: float = 0.0

    def _raw(self) -> Any:
        raw = defaults(_abi.augmentation)
        raw.scale_low, raw.scale_high = self.scale
        raw.position_px = int32("position", self.position)
        raw.slice_part, raw.flip_x, raw.flip_y = self.slice_part, self.flip_x, self.flip_y
        return raw


class Slices:
    """Pixels of an image: what `Session.detect(slices.image, **slices.arguments)` takes; a copy, so nothing is to be closed."""

    def __init__(self, image: List[Optional[NDArray[Any]]], key_slice: int, spacing: Tuple[float, float], slice_interval: float,
                 slope: float, intercept: float) -> None:
        self.image = image
        self.key_slice = key_slice
        self.spacing = spacing
        self.slice_interval = slice_interval
        self.slope = slope
        self.intercept = intercept

    @property
    def arguments(self) -> Dict[str, Any]:
        """Keyword arguments of `Session.detect` and `Session.input`."""
        return {
            "spacing": self.spacing if all(self.spacing) else None, "slice_interval": self.slice_interval or None,
            "slope": self.slope, "intercept": self.intercept, "key_slice": self.key_slice,
        }

    @property
    def hu(self) -> NDArray[numpy.float32]:
        """The key slice in Hounsfield units."""
        pixels = self.image[self.key_slice]
        assert pixels is not None
        return (pixels.astype(numpy.float64) * self.slope + self.intercept).astype(numpy.float32)


class _SourceCallbacks:
    """A sequence of SourceImage behind the C functions."""

    def __init__(self, images: Sequence[SourceImage]) -> None:
        self._images = images
        self._guard = Guard()
        self._lent: Dict[int, Any] = {}
        self._lock = threading.Lock()
        self._next = 0
        raw = defaults(_abi.source)
        raw.count = len(images)
        # ctypes keeps the functions alive as long as the struct is.
        raw.describe = _abi.describe_fn(self._guard(self._describe))
        raw.annotate = _abi.annotate_fn(self._guard(self._annotate))
        raw.read = _abi.read_fn(self._guard(self._read))
        raw.release = _abi.release_fn(self._release)
        raw.read_mask = _abi.read_mask_fn(self._guard(self._read_mask))
        self.raw = raw

    def check(self, status: int) -> None:
        """Raises what a callback raised on this thread, else what the library says."""
        raised = self._guard.take()
        if status < 0 and raised is not None:
            raise raised
        check(status)

    def take_latest(self) -> Optional[BaseException]:
        """What a callback raised last, on any thread, once."""
        exception = self._guard.latest
        self._guard.take()
        return exception

    def _describe(self, index: int, out: Any) -> None:
        image, raw = self._images[index], out.contents
        # The library copies the name before it calls again.
        self._name = None if image.name is None else image.name.encode("utf-8")
        raw.name, raw.patient, raw.split = self._name, image.patient, choose(SPLITS, "split", image.split)
        raw.height, raw.width = (int32("size", side) for side in image.size)
        raw.lesions = len(image.lesions)
        if image.spacing is not None:
            sides = [float(side) for side in numpy.ravel(image.spacing)]
            raw.spacing_x_mm, raw.spacing_y_mm = sides[0], sides[-1]
        raw.slice_interval_mm = image.slice_interval or 0

    def _annotate(self, index: int, number: int, out: Any) -> None:
        lesion, raw = self._images[index].lesions[number], out.contents
        if lesion.box is not None:
            raw.has_box = 1
            raw.x1, raw.y1, raw.x2, raw.y2 = (float(side) for side in lesion.box)
        if lesion.recist is not None:
            raw.has_recist = 1
            raw.recist = (ctypes.c_double * 8)(*(float(value) for value in numpy.ravel(lesion.recist)))
        raw.has_mask, raw.type, raw.class_index = int(lesion.mask is not None), lesion.type, lesion.class_index

    def _read(self, index: int, out: Any, token: Any) -> None:
        image = self._images[index]
        description = ImageDescription(image.read(), spacing=image.spacing, slice_interval=image.slice_interval,
                                       slope=image.slope, intercept=image.intercept, key_slice=image.key_slice)
        with self._lock:
            self._next += 1
            number = self._next
            self._lent[number] = description
        ctypes.memmove(out, ctypes.byref(description.raw), ctypes.sizeof(description.raw))
        token[0] = number

    def _release(self, user: Optional[int], index: int, token: Optional[int]) -> None:
        with self._lock:
            self._lent.pop(token or 0, None)

    def _read_mask(self, index: int, number: int, out: Any, width: int, height: int) -> None:
        mask = numpy.asarray(self._images[index].lesions[number].mask)
        if mask.shape != (height, width):
            raise ValueError(f"the mask of lesion {number} of image {index} has shape {mask.shape}, not {(height, width)}")
        numpy.ctypeslib.as_array(out, (height, width))[:] = mask != 0


class Dataset(Handle):
    """Annotated slices in DeepLesion's layout: `directory`/DL_info.csv and `directory`/Images_png; immutable, and any number of
    threads may use it.

    `csv`, `images` stand for other places; `masks_directory` has given masks; `boxes` is a CSV with further boxes; `windows` one
    with a window for each series. `masks` is "pseudo", "given", "given_or_pseudo" or "none"; `keep_noisy` keeps
    rows with Possibly_noisy = 1; `on_bad_row` and `on_bad_image` are "error" or "skip"; `negatives` is "none" or "unmasked".
    docs/data.md explains them.

    Raises FileError, FormatError (file, line, field and value), ImageError, InvalidArgument, NoMemory.
    """

    _kind = "data set"

    def __init__(self, directory: Path, *, csv: Optional[Path] = None, images: Optional[Path] = None,
                 masks_directory: Optional[Path] = None, boxes: Optional[Path] = None, windows: Optional[Path] = None,
                 masks: str = "pseudo", keep_noisy: bool = False, on_bad_row: str = "error", on_bad_image: str = "error",
                 negatives: str = "none", log: Optional[Log] = None) -> None:
        options = self._options(masks, on_bad_row, on_bad_image, log)
        options.csv_path, options.image_directory = path_bytes(csv), path_bytes(images)
        options.mask_directory = path_bytes(masks_directory)
        options.boxes_path, options.windows_path = path_bytes(boxes), path_bytes(windows)
        options.keep_noisy = int(keep_noisy)
        options.negatives = choose(_NEGATIVES, "negatives", negatives)
        handle = ctypes.c_void_p()
        check(_abi.lib.uldor_dataset_open_deeplesion(path_bytes(directory), ctypes.byref(options), ctypes.byref(handle)))
        self._callbacks: Optional[_SourceCallbacks] = None
        self._adopt(handle.value, _abi.lib.uldor_dataset_free)

    @classmethod
    def from_source(cls, source: Sequence[SourceImage], *, masks: str = "given_or_pseudo", on_bad_lesion: str = "error",
                    log: Optional[Log] = None) -> "Dataset":
        """A data set of the caller's own images. `source` is kept and asked for `len` and items when it is opened; pixels and
        masks are read when they are needed, from background threads while a trainer runs. What `read` raises comes out of the
        call that needed the pixels, out of a trainer as the cause of its FileError."""
        self = cls.__new__(cls)
        options = self._options(masks, on_bad_lesion, "error", log)
        callbacks = _SourceCallbacks(source)
        handle = ctypes.c_void_p()
        callbacks.check(_abi.lib.uldor_dataset_open_callbacks(ctypes.byref(callbacks.raw), ctypes.byref(options),
                                                              ctypes.byref(handle)))
        self._callbacks = callbacks
        self._adopt(handle.value, _abi.lib.uldor_dataset_free)
        return self

    def _options(self, masks: str, on_bad_row: str, on_bad_image: str, log: Optional[Log]) -> Any:
        options = defaults(_abi.dataset_options)
        options.masks = choose(MASKS, "masks", masks)
        options.on_bad_row = choose(ON_BAD, "on_bad_row", on_bad_row)
        options.on_bad_image = choose(ON_BAD, "on_bad_image", on_bad_image)
        options.log = self._log = log_callback(log)
        return options

    def _check(self, status: int) -> None:
        if self._callbacks is not None:
            self._callbacks.check(status)
        else:
            check(status)

    @property
    def info(self) -> DatasetInfo:
        """Counts."""
        raw = self._get(_abi.lib.uldor_dataset_get_info, _abi.dataset_info)
        values = {field: getattr(raw, field) for field in DatasetInfo._fields}
        for field in ("images_of_split", "lesions_of_split"):
            values[field] = {name: values[field][number] for name, number in SPLITS.items()}
        return DatasetInfo(**values)

    def __len__(self) -> int:
        return self.info.images

    def image(self, index: int) -> DatasetImage:
        """Description of image 0..len - 1."""
        raw = _abi.new(_abi.dataset_image)
        with self._use() as handle:
            check(_abi.lib.uldor_dataset_get_image(handle, index, ctypes.byref(raw)))
            name = raw.name.decode("utf-8", "replace")
        return DatasetImage(
            name=name, patient=raw.patient, csv_line=raw.csv_line, split=_SPLIT_NAMES[raw.split], lesions=raw.lesions,
            size=(raw.height, raw.width), window=(raw.window_left, raw.window_top),
            spacing=(raw.spacing_x_mm, raw.spacing_y_mm), slice_interval=raw.slice_interval_mm)

    def images(self, split: Optional[str] = None) -> Iterator[Tuple[int, DatasetImage]]:
        """Indices and descriptions, of one split or of all."""
        wanted = None if split is None else _SPLIT_NAMES[choose(SPLITS, "split", split)]
        for index in range(len(self)):
            image = self.image(index)
            if wanted is None or image.split == wanted:
                yield index, image

    def lesions(self, index: int) -> List[DatasetLesion]:
        """The lesions annotated in an image."""
        found = []
        raw = _abi.new(_abi.dataset_lesion)
        count = self.image(index).lesions
        with self._use() as handle:
            for number in range(count):
                check(_abi.lib.uldor_dataset_get_lesion(handle, index, number, ctypes.byref(raw)))
                found.append(DatasetLesion(
                    box=(raw.x1, raw.y1, raw.x2, raw.y2),
                    recist=numpy.array(raw.recist).reshape(4, 2) if raw.has_recist else None, has_mask=bool(raw.has_mask),
                    type=raw.type, class_index=raw.class_index, csv_line=raw.csv_line, diameters_px=(raw.long_px, raw.short_px),
                    diameters_mm=(raw.long_mm, raw.short_mm)))
        return found

    def mask(self, index: int, lesion: int) -> NDArray[numpy.bool_]:
        """A lesion's mask at the image's size; nothing is set where it has none."""
        mask = numpy.empty(self.image(index).size, numpy.uint8)
        with self._use() as handle:
            self._check(_abi.lib.uldor_dataset_get_mask(
                handle, index, int32("lesion", lesion), mask.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8)), mask.size, 0, None))
        return mask.view(numpy.bool_)

    def find(self, name: str) -> int:
        """Index of the image of this name: "000001_03_01/088" or "000001_03_01_088.png"."""
        index = ctypes.c_int64()
        with self._use() as handle:
            check(_abi.lib.uldor_dataset_find(handle, name.encode("utf-8"), ctypes.byref(index)))
        return index.value

    def read_image(self, index: int, reach: int = 0) -> Slices:
        """Pixels of an image with up to `reach` slices before and behind it (`Model.slice_reach`)."""
        slices = ctypes.c_void_p()
        raw = _abi.new(_abi.image)
        with self._use() as handle:
            self._check(_abi.lib.uldor_dataset_read_image(handle, index, int32("reach", reach), ctypes.byref(slices)))
            try:
                check(_abi.lib.uldor_slices_get_image(slices, ctypes.byref(raw)))
                return Slices(_copied(raw), raw.key_slice, (raw.spacing_x_mm, raw.spacing_y_mm), raw.slice_interval_mm, raw.slope,
                              raw.intercept)
            finally:
                _abi.lib.uldor_slices_free(slices)

    def example(self, model: Model, index: int, *, augmentation: Optional[Augmentation] = None, seed: int = 0,
                epoch: int = 0) -> Dict[str, NDArray[numpy.float32]]:
        """What training sees of an image: "input", "size", "boxes", "labels", "lesions", "has_mask", "masks" (uldor.h)."""
        raw = None if augmentation is None else augmentation._raw()
        tensors = ctypes.c_void_p()
        with self._use() as handle, model._use() as model_handle:
            self._check(_abi.lib.uldor_dataset_get_example(
                handle, model_handle, index, None if raw is None else ctypes.byref(raw), seed, epoch, ctypes.byref(tensors)))
        with TensorSet(tensors.value) as made:
            return made.arrays()

    def check(self, reach: int = 1, report: Optional[Callable[[str], Any]] = None) -> int:
        """Looks at all images and masks; the number of problems. `report` is called with a line for each and one with the
        counts; a true value ends the check with Cancelled."""
        guard = Guard()
        receive = guard(lambda message: report is not None and report(message.decode("utf-8", "replace")))
        problems = ctypes.c_int64()
        with self._use() as handle:
            status = _abi.lib.uldor_dataset_check(handle, int32("reach", reach), _abi.report_fn(receive), None,
                                                  ctypes.byref(problems))
        guard.reraise()
        self._check(status)
        return problems.value

    def __repr__(self) -> str:
        if self.closed:
            return "<uldor.Dataset closed>"
        info = self.info
        return f"<uldor.Dataset {info.images} images {info.lesions} lesions>"


def check_read(status: int, *datasets: Optional[Dataset]) -> None:
    """Raises what belongs to a call that read images on threads of the library's own; its cause is what a source raised there. What
    was skipped is not what a later failure came of."""
    causes = [data._callbacks.take_latest() for data in datasets if data is not None and data._callbacks is not None]
    is_read = status == _abi.ERROR_IO and b": source.read" in _abi.lib.uldor_last_error()
    check(status, next(filter(None, causes), None) if is_read else None)


def _copied(raw: Any) -> List[Optional[NDArray[Any]]]:
    """Slices of a described image as arrays of their own."""
    kind = {_abi.INT16: numpy.int16, _abi.UINT16: numpy.uint16, _abi.FLOAT32: numpy.float32}[raw.type]
    size = numpy.dtype(kind).itemsize
    stride_x = raw.stride_x_bytes or size
    stride_y = raw.stride_y_bytes or stride_x * raw.width
    stride_z = raw.stride_z_bytes or stride_y * raw.height
    found: List[Optional[NDArray[Any]]] = []
    for index in range(raw.depth):
        base, offset = (raw.slices[index], raw.offset_bytes) if raw.slices else (raw.data, raw.offset_bytes + index * stride_z)
        if not base:
            found.append(None)
            continue
        buffer = (ctypes.c_uint8 * raw.data_bytes).from_address(base)
        found.append(numpy.ndarray((raw.height, raw.width), kind, buffer, offset, (stride_y, stride_x)).copy())
    return found
