# SPDX-License-Identifier: Apache-2.0
"""Runs a model on images."""
from __future__ import annotations

import ctypes
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional, Tuple, Union

import numpy
from numpy.typing import ArrayLike, NDArray

from . import _abi
from ._abi import int32
from ._arguments import INSTRUCTIONS, choose, defaults
from ._callbacks import Guard, Log, log_callback
from ._handle import Handle
from ._image import Image, ImageDescription, Spacing
from .errors import check
from .model import CLASS_RULES, Model
from .result import Result
from .tensors import STAGES, TensorSet

#: Called with the fraction done, 0..1, and the stage's name; a true value cancels the call.
Progress = Callable[[float, str], Any]

INPUT_STEPS = {
    "hu": _abi.INPUT_HU, "windowed": _abi.INPUT_WINDOWED, "cropped": _abi.INPUT_CROPPED, "scaled": _abi.INPUT_SCALED,
    "normalised": _abi.INPUT_NORMALISED, "padded": _abi.INPUT_PADDED,
}


class SessionInfo(NamedTuple):
    """`threads` in use, `instructions` "avx512", "avx2" or "portable", `memory_bytes` held by the session now."""

    threads: int
    instructions: str
    memory_bytes: int


class InputInfo(NamedTuple):
    """How an image became the network's input. `channels`, `height`, `width` are those of the step; the crop is in image
    pixels, `input_*` the size before padding; x_input = (x_image - crop_left) * scale_x, y alike."""

    channels: int
    height: int
    width: int
    crop_left: int
    crop_top: int
    crop_width: int
    crop_height: int
    input_width: int
    input_height: int
    scale_x: float
    scale_y: float


def _progress_callback(progress: Optional[Progress], guard: Guard) -> Any:
    """The C callback for `progress`; a null one where there is none. It does not refer to the session: a cycle would keep that
    alive until the garbage collector runs."""
    if progress is None:
        return _abi.progress_fn()
    receive = progress
    return _abi.progress_fn(guard(lambda fraction, stage: receive(fraction, stage.decode("utf-8", "replace"))))


class Session(Handle):
    """One stream of work: settings and scratch memory. One thread at a time; make a session for each thread.

    `threads` 1..1024, 0: all cores. None stands for the model's own value of `score_threshold` (0..1),
    `nms_threshold` (0..1), `detections` (at most, 1..1000), `proposals` (1..4096) and `class_rule` ("per_class",
    "best_class"). `resampling=False` takes pixels as they are and needs no spacing; `body_crop=False` keeps the whole
    slice. `instructions` is "best", "avx512", "avx2" or "portable"; `exact=True` computes every convolution directly, without
    Winograd or Strassen; `memory_limit` bounds the scratch memory in bytes: what takes more raises NoMemory. `keep_false_positives=True` returns
    detections of class false_positive, too. `progress` is called on the thread that runs the call; what it raises comes out of
    that call.

    Raises InvalidArgument, NoMemory, Unsupported (this CPU lacks the instructions).
    """

    _kind = "session"

    def __init__(self, model: Model, *, threads: int = 0, score_threshold: Optional[float] = None,
                 nms_threshold: Optional[float] = None, detections: Optional[int] = None,
                 proposals: Optional[int] = None, class_rule: Optional[str] = None, resampling: bool = True,
                 body_crop: bool = True, instructions: str = "best", exact: bool = False,
                 memory_limit: Optional[int] = None, keep_false_positives: bool = False,
                 progress: Optional[Progress] = None,
                 log: Optional[Log] = None) -> None:
        options = defaults(_abi.session_options)
        options.threads = int32("threads", threads)
        options.instructions = choose(INSTRUCTIONS, "instructions", instructions)
        # A negative number and 0 mean "the model's" to the library. A caller who passes one has made a mistake.
        for name, value in (("score_threshold", score_threshold), ("nms_threshold", nms_threshold)):
            if value is not None:
                if value < 0:
                    raise ValueError(f"{name} {value}: 0..1, or None for the model's")
                setattr(options, name, value)
        for name, count in (("detections", detections), ("proposals", proposals)):
            if count is not None:
                if count < 1:
                    raise ValueError(f"{name} {count}: at least 1, or None for the model's")
                setattr(options, name, int32(name, count))
        if class_rule is not None:
            options.class_rule = choose(CLASS_RULES, "class_rule", class_rule)
        options.no_resampling = int(not resampling)
        options.no_body_crop = int(not body_crop)
        options.exact = int(exact)
        options.keep_false_positives = int(keep_false_positives)
        if memory_limit is not None:
            if not 1 <= memory_limit < 2**63:
                raise ValueError(f"memory_limit {memory_limit}: 1...2**63 - 1, or None for no limit")
            options.memory_limit = memory_limit
        self.model = model
        self._class_names = model.class_names
        self._mask_size = model.info.mask_size
        # The library keeps the callbacks' addresses, so the session keeps the callbacks.
        self._log = options.log = log_callback(log)
        self._guard = Guard()
        self._progress = options.progress = _progress_callback(progress, self._guard)
        handle = ctypes.c_void_p()
        with model._use() as model_handle:
            check(_abi.lib.uldor_session_create(model_handle, ctypes.byref(options), ctypes.byref(handle)))
        self._adopt(handle.value, _abi.lib.uldor_session_free)

    def _check(self, status: int) -> None:
        self._guard.reraise()
        check(status)

    @property
    def info(self) -> SessionInfo:
        """Threads and instructions in use, memory held."""
        raw = self._get(_abi.lib.uldor_session_get_info, _abi.session_info)
        return SessionInfo(raw.threads, raw.instructions.decode("ascii"), raw.memory_bytes)

    def estimate_memory(self, height: int, width: int) -> int:
        """Bytes that the session will hold after a network input of this size; nothing is allocated."""
        bytes_ = ctypes.c_int64()
        with self._use() as handle:
            self._check(_abi.lib.uldor_session_estimate_memory(handle, int32("height", height), int32("width", width),
                                                               ctypes.byref(bytes_)))
        return bytes_.value

    def detect(self, image: Image, *, spacing: Spacing = None, slice_interval: Optional[float] = None,
               slope: float = 1.0, intercept: float = 0.0, key_slice: Optional[int] = None) -> Result:
        """Finds lesions in the key slice; boxes and masks are in pixels of the image.

        `image` is an array height x width or depth x height x width of int16, uint16 or float32, with any strides, or
        a sequence of height x width arrays and None for slices that are not at hand (equal shape, type and
        strides); it is not copied. HU = pixel * slope + intercept. `spacing` is the pixel size in mm, (x, y) or one
        number; `slice_interval` the distance of the slices in mm; `key_slice` the index of the slice to look at,
        the middle one by default.

        Raises TypeError, ImageError, InvalidArgument, NoMemory, Cancelled, Busy.
        """
        description = ImageDescription(image, spacing=spacing, slice_interval=slice_interval, slope=slope,
                                       intercept=intercept, key_slice=key_slice)
        result = ctypes.c_void_p()
        with self._use() as handle:
            self._check(_abi.lib.uldor_session_detect(handle, ctypes.byref(description.raw), ctypes.byref(result)))
        return Result(result.value, self._class_names, self._mask_size)

    def forward(self, tensor: ArrayLike) -> Result:
        """The network alone on channels x height x width float32, already normalised; coordinates are the tensor's.

        Raises TypeError, InvalidArgument, NoMemory, Cancelled, Busy.
        """
        array = numpy.asarray(tensor)
        if array.dtype != numpy.float32:
            raise TypeError(f"a tensor of type {array.dtype}; use tensor.astype(numpy.float32)")
        if array.ndim != 3:
            raise ValueError(f"a tensor of shape {array.shape}; it must be channels x height x width")
        array = numpy.require(array, requirements=["C", "A"])
        shape = [int32("size", side) for side in array.shape]
        result = ctypes.c_void_p()
        with self._use() as handle:
            self._check(_abi.lib.uldor_session_forward(handle, array.ctypes.data_as(ctypes.POINTER(ctypes.c_float)),
                                                       *shape, ctypes.byref(result)))
        return Result(result.value, self._class_names, self._mask_size)

    def input(self, image: Image, step: str = "padded", *, spacing: Spacing = None,
              slice_interval: Optional[float] = None, slope: float = 1.0, intercept: float = 0.0,
              key_slice: Optional[int] = None) -> Tuple[NDArray[numpy.float32], InputInfo]:
        """The image after one of the steps "hu", "windowed", "cropped", "scaled", "normalised", "padded" on its way to
        the network, channels x height x width. Arguments and errors as for detect()."""
        number = choose(INPUT_STEPS, "step", step)
        description = ImageDescription(image, spacing=spacing, slice_interval=slice_interval, slope=slope,
                                       intercept=intercept, key_slice=key_slice)
        raw = _abi.new(_abi.input_info)
        with self._use() as handle:
            self._check(_abi.lib.uldor_session_get_input(handle, ctypes.byref(description.raw), number, None, 0,
                                                         ctypes.byref(raw)))
            array = numpy.empty((raw.channels, raw.height, raw.width), numpy.float32)
            self._check(_abi.lib.uldor_session_get_input(handle, ctypes.byref(description.raw), number,
                                                         array.ctypes.data_as(ctypes.POINTER(ctypes.c_float)),
                                                         array.size, ctypes.byref(raw)))
        return array, InputInfo(*(getattr(raw, field) for field in InputInfo._fields))

    def cancel(self) -> None:
        """Makes the call that runs on this session in another thread raise Cancelled; the session stays usable."""
        with self._use() as handle:
            check(_abi.lib.uldor_session_cancel(handle))

    def run_stage(self, stage: Union[str, int],
                  inputs: Mapping[str, ArrayLike]) -> Dict[str, NDArray[numpy.float32]]:
        """One stage of the network on tensors of the caller, to compare it with other implementations. Names of stages and
        tensors: uldor.STAGES, include/uldor.h."""
        number = choose(STAGES, "stage", stage) if isinstance(stage, str) else int32("stage", stage)
        outputs = ctypes.c_void_p()
        with TensorSet.of(inputs) as given, given._use() as tensors, self._use() as handle:
            self._check(_abi.lib.uldor_session_run_stage(handle, number, tensors, ctypes.byref(outputs)))
        with TensorSet(outputs.value) as computed:
            return computed.arrays()

    def __repr__(self) -> str:
        return "<uldor.Session closed>" if self.closed else f"<uldor.Session on {self.model!r}>"
