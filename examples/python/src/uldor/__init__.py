# SPDX-License-Identifier: Apache-2.0
"""Universal lesion detection on CT slices: numpy arrays in; boxes, masks and RECIST diameters out.

Research use only; not a medical device. The work is done by libuldor; see README.md for the first steps.
"""
from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, List

from . import _abi
from .errors import (
    BufferTooSmall, Busy, Cancelled, Degenerate, FileError, FormatError, ImageError, InternalError, InvalidArgument,
    ModelError, NoMemory, UldorError, Unsupported,
)
from .model import Model, ModelInfo
from .pseudo_mask import PseudoMask
from .result import Detection, Diameter, Result
from .session import INPUT_STEPS, InputInfo, Session, SessionInfo
from .tensors import STAGES

if TYPE_CHECKING:
    from .dataset import Augmentation, Dataset, DatasetImage, DatasetInfo, DatasetLesion, Slices, SourceImage, SourceLesion
    from .evaluation import Froc, FrocResult, FrocSubset, MaskOverlap, Sensitivity, mask_overlap
    from .gradients import run_gradients
    from .mining import MinedDetection, MinedImage, MinedMask, Mining, MiningInfo, mine, read_mined
    from .trainer import Reduction, Trainer, TrainerState, TrainingEvent

__version__ = "0.1.0"


def library_version() -> str:
    """Version of the libuldor in use, such as "0.1.0"."""
    number = _abi.lib.uldor_version()
    return f"{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


__all__ = [
    "Augmentation", "BufferTooSmall", "Busy", "Cancelled", "Dataset", "DatasetImage", "DatasetInfo", "DatasetLesion",
    "Degenerate", "Detection", "Diameter", "FileError", "FormatError", "Froc", "FrocResult", "FrocSubset",
    "INPUT_STEPS", "ImageError", "InputInfo", "InternalError", "InvalidArgument", "MaskOverlap", "MinedDetection",
    "MinedImage", "MinedMask", "Mining", "MiningInfo", "Model", "ModelError", "ModelInfo", "NoMemory", "PseudoMask", "Reduction",
    "Result", "STAGES", "Sensitivity", "Session", "SessionInfo", "Slices", "SourceImage", "SourceLesion", "Trainer",
    "TrainerState", "TrainingEvent", "UldorError", "Unsupported", "library_version", "mask_overlap", "mine", "read_mined", "run_gradients",
]

#: What a viewer that only detects should not wait for: imported when first asked for.
_LATER = {name: module for module, names in {
    "dataset": ("Augmentation", "Dataset", "DatasetImage", "DatasetInfo", "DatasetLesion", "Slices", "SourceImage", "SourceLesion"),
    "evaluation": ("Froc", "FrocResult", "FrocSubset", "MaskOverlap", "Sensitivity", "mask_overlap"),
    "gradients": ("run_gradients",),
    "mining": ("MinedDetection", "MinedImage", "MinedMask", "Mining", "MiningInfo", "mine", "read_mined"),
    "trainer": ("Reduction", "Trainer", "TrainerState", "TrainingEvent"),
}.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        value = getattr(importlib.import_module(f".{_LATER[name]}", __name__), name)
    elif name in _LATER.values():
        value = importlib.import_module(f".{name}", __name__)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> List[str]:
    return sorted({*globals(), *__all__})
