# SPDX-License-Identifier: Apache-2.0
"""Weights and configuration."""
from __future__ import annotations

import ctypes
import json
from typing import TYPE_CHECKING, Any, NamedTuple, Optional, Tuple

import numpy

from . import _abi
from ._abi import int32
from ._arguments import Config, Path, config_bytes, defaults, path_bytes
from ._callbacks import Log, log_callback
from ._handle import Handle
from .errors import check

if TYPE_CHECKING:
    from .session import Session

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


class Model(Handle):
    """A detector's weights, read from a safetensors file or a packed one; immutable, shared by any number of sessions and threads.

    `config` replaces the configuration in the file: JSON as text, or what json.dumps() makes JSON of; see
    docs/weights.md. `memory_map` maps the file while it is read, which saves a copy; nobody may write the file
    meanwhile. Packed weights stay mapped as long as the model and its sessions live: processes share them. `threads` pack the weights; 0 is all cores. `log` gets the library's messages.

    Raises FileError, FormatError, ModelError (which names the tensor or the field), NoMemory.
    """

    _kind = "model"

    def __init__(self, path: Path, *, config: Optional[Config] = None, memory_map: bool = False, threads: int = 0,
                 log: Optional[Log] = None) -> None:
        options = self._options(config, threads, log)
        options.memory_map = int(memory_map)
        handle = ctypes.c_void_p()
        check(_abi.lib.uldor_model_load_file(path_bytes(path), ctypes.byref(options), ctypes.byref(handle)))
        self._adopt(handle.value, _abi.lib.uldor_model_free)

    @classmethod
    def from_bytes(cls, data: Any, *, config: Optional[Config] = None, threads: int = 0, log: Optional[Log] = None) -> "Model":
        """A model from a safetensors or packed file in memory: bytes, or any contiguous buffer. It may be freed afterwards."""
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

    def _options(self, config: Optional[Config], threads: int, log: Optional[Log]) -> Any:
        options = defaults(_abi.model_options)
        options.config = config_bytes(config)
        options.threads = int32("threads", threads)
        options.log = self._log = log_callback(log)
        return options

    def save_packed(self, path: Path) -> None:
        """Writes the model as it lies in memory, configuration included: `Model(path)` of the same version of the library
        needs not pack it again. Not for training. Raises FileError; what was at `path` stays then."""
        with self._use() as handle:
            check(_abi.lib.uldor_model_save_packed(handle, path_bytes(path)))

    @property
    def info(self) -> ModelInfo:
        """Architecture, size and defaults."""
        raw = self._get(_abi.lib.uldor_model_get_info, _abi.model_info)
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
