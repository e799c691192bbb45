# SPDX-License-Identifier: Apache-2.0
"""Weights and configuration."""
from __future__ import annotations

import ctypes
import json
import os
from typing import TYPE_CHECKING, Any, Callable, Mapping, NamedTuple, Optional, Tuple, Union

import numpy

from . import _abi
from ._abi import int32
from ._handle import Handle
from .errors import check

if TYPE_CHECKING:
    from .session import Session

#: Called with a level (1 warning, 2 info) and one line.
Log = Callable[[int, str], None]
CLASS_RULES = {"per_class": _abi.CLASS_RULE_PER_CLASS, "best_class": _abi.CLASS_RULE_BEST_CLASS}


class ModelInfo(NamedTuple):
    """What a model is. `depth` is that of the ResNet (0: none of the usual ones), `classes` counts background,
    `parameters` the values in use, `memory_bytes` what the model holds."""

    depth: int
    classes: int
    class_rule: str
    input_channels: int
    stem_channels: int
    fpn_channels: int
    box_channels: int
    mask_channels: int
    mask_size: int
    anchors_per_location: int
    parameters: int
    memory_bytes: int
    slice_distance_mm: float
    spacing_mm: float
    max_size: int
    score_threshold: float
    detections: int


def log_callback(log: Optional[Log]) -> Any:
    """The C callback for `log`; a null one where there is none. The caller keeps it alive."""
    if log is None:
        return _abi.log_fn()
    receive = log
    return _abi.log_fn(lambda user, level, message: receive(level, message.decode("utf-8", "replace")))


class Model(Handle):
    """A detector's weights, read from a safetensors file; immutable, shared by any number of sessions and threads.

    `config` replaces the configuration in the file: JSON as text, or what json.dumps() makes JSON of; see
    docs/weights.md. `memory_map` maps the file while it is read, which saves a copy; nobody may write the file
    meanwhile. `threads` pack the weights; 0 is all cores. `log` gets the library's messages.

    Raises FileError, FormatError, ModelError (which names the tensor or the field), NoMemory.
    """

    _kind = "model"

    def __init__(self, path: Union[str, "os.PathLike[str]"], *, config: Union[str, Mapping[str, Any], None] = None,
                 memory_map: bool = False, threads: int = 0, log: Optional[Log] = None) -> None:
        name = os.fsencode(path)
        if b"\0" in name:
            raise ValueError("the path contains a NUL byte")
        options = self._options(config, threads, log)
        options.memory_map = int(memory_map)
        handle = ctypes.c_void_p()
        check(_abi.lib.uldor_model_load_file(name, ctypes.byref(options), ctypes.byref(handle)))
        self._adopt(handle.value, _abi.lib.uldor_model_free)

    @classmethod
    def from_bytes(cls, data: Any, *, config: Union[str, Mapping[str, Any], None] = None, threads: int = 0,
                   log: Optional[Log] = None) -> "Model":
        """A model from a safetensors file in memory: bytes, or any contiguous buffer. It may be freed afterwards."""
        # frombuffer gives the address of read-only buffers, too; ctypes' own from_buffer does not. It takes no
        # empty buffer, which the library has an error for.
        view = memoryview(data).cast("B")
        buffer = numpy.frombuffer(view, numpy.uint8) if view.nbytes else numpy.empty(0, numpy.uint8)
        self = cls.__new__(cls)
        options = self._options(config, threads, log)
        handle = ctypes.c_void_p()
        check(_abi.lib.uldor_model_load_memory(buffer.ctypes.data, buffer.nbytes, ctypes.byref(options),
                                               ctypes.byref(handle)))
        self._adopt(handle.value, _abi.lib.uldor_model_free)
        return self

    def _options(self, config: Union[str, Mapping[str, Any], None], threads: int, log: Optional[Log]) -> Any:
        options = _abi.model_options()
        check(_abi.lib.uldor_model_options_init(ctypes.byref(options), ctypes.sizeof(options)))
        if config is not None:
            text = config if isinstance(config, str) else json.dumps(config, allow_nan=False)
            if "\0" in text:
                raise ValueError("the configuration contains a NUL character")
            options.config = text.encode("utf-8")
        options.threads = int32("threads", threads)
        options.log = self._log = log_callback(log)
        return options

    @property
    def info(self) -> ModelInfo:
        """Architecture, size and defaults."""
        raw = _abi.new(_abi.model_info)
        with self._use() as handle:
            check(_abi.lib.uldor_model_get_info(handle, ctypes.byref(raw)))
        values = {field: getattr(raw, field) for field in ModelInfo._fields}
        values["class_rule"] = {number: rule for rule, number in CLASS_RULES.items()}[raw.class_rule]
        return ModelInfo(**values)

    @property
    def name(self) -> str:
        """The model's name, "" where the file has none."""
        return self._text(_abi.TEXT_NAME)

    @property
    def version(self) -> str:
        """The model's version, "" where the file has none."""
        return self._text(_abi.TEXT_VERSION)

    @property
    def license(self) -> str:
        """The weights' licence, "" where the file has none."""
        return self._text(_abi.TEXT_LICENSE)

    @property
    def description(self) -> str:
        """The model's description, "" where the file has none."""
        return self._text(_abi.TEXT_DESCRIPTION)

    @property
    def config(self) -> Any:
        """The configuration that the model was made from, decoded from JSON; {} where there was none."""
        return json.loads(self._text(_abi.TEXT_CONFIG))

    def _text(self, which: int) -> str:
        text = ctypes.c_char_p()
        with self._use() as handle:
            check(_abi.lib.uldor_model_get_text(handle, which, ctypes.byref(text)))
            return (text.value or b"").decode("utf-8")

    @property
    def class_names(self) -> Tuple[str, ...]:
        """Names of the classes in the order of `Detection.label`; the first is the background's."""
        names = []
        text = ctypes.c_char_p()
        count = self.info.classes
        with self._use() as handle:
            for index in range(count):
                check(_abi.lib.uldor_model_get_class_name(handle, index, ctypes.byref(text)))
                names.append((text.value or b"").decode("utf-8"))
        return tuple(names)

    def slice_reach(self, slice_interval: float) -> int:
        """How many slices on each side of the key slice a detection reads at this slice interval in mm."""
        slices = ctypes.c_int32()
        with self._use() as handle:
            check(_abi.lib.uldor_model_get_slice_reach(handle, slice_interval, ctypes.byref(slices)))
        return slices.value

    def session(self, **options: Any) -> "Session":
        """`Session(self, **options)`."""
        from .session import Session

        return Session(self, **options)

    def __repr__(self) -> str:
        if self.closed:
            return "<uldor.Model closed>"
        info = self.info
        return f"<uldor.Model {self.name!r} ResNet-{info.depth or '?'} {info.parameters / 1e6:.1f} M parameters>"
