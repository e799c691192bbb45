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

#: What a viewer that only detects should not wait for: imported when a name of theirs is first asked for.
_LATER = ("dataset", "evaluation", "gradients", "mining", "trainer")


def __getattr__(name: str) -> Any:
    if name not in (*__all__, *_LATER):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    modules = {later: importlib.import_module(f".{later}", __name__) for later in _LATER}
    found = modules.get(name) or next(getattr(module, name) for module in modules.values() if hasattr(module, name))
    globals()[name] = found
    return found


def __dir__() -> List[str]:
    return sorted({*globals(), *__all__})
