# SPDX-License-Identifier: Apache-2.0
"""Universal lesion detection on CT slices: numpy arrays in; boxes, masks and RECIST diameters out.

Research use only; not a medical device. The work is done by libuldor; see README.md for the first steps.
"""
from __future__ import annotations

from . import _abi
from .dataset import (
    Augmentation, Dataset, DatasetImage, DatasetInfo, DatasetLesion, Slices, SourceImage, SourceLesion,
)
from .errors import (
    BufferTooSmall, Busy, Cancelled, Degenerate, FileError, FormatError, ImageError, InternalError, InvalidArgument,
    ModelError, NoMemory, UldorError, Unsupported,
)
from .evaluation import Froc, FrocResult, FrocSubset, MaskOverlap, Sensitivity, mask_overlap
from .gradients import run_gradients
from .mining import MinedDetection, MinedImage, MinedMask, Mining, MiningInfo, mine, read_mined
from .model import Model, ModelInfo
from .pseudo_mask import PseudoMask
from .result import Detection, Diameter, Result
from .session import INPUT_STEPS, InputInfo, Session, SessionInfo
from .tensors import STAGES
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
    "Result", "STAGES", "Sensitivity", "Session", "SessionInfo", "Slices", "SourceImage", "SourceLesion", "Trainer", "TrainerState",
    "TrainingEvent", "UldorError", "Unsupported", "library_version", "mask_overlap", "mine", "read_mined", "run_gradients",
]
