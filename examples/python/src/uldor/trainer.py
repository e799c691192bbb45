# SPDX-License-Identifier: Apache-2.0
"""Trains a detector on a data set (docs/training.md)."""
from __future__ import annotations

import ctypes
import math
import operator
from typing import Any, Callable, Iterator, List, NamedTuple, Optional, Union

import numpy
from numpy.typing import NDArray

from . import _abi
from ._abi import int32
from ._arguments import INSTRUCTIONS, ON_BAD, RESUME, Config, Path, choose, config_bytes, defaults, path_bytes
from ._callbacks import Guard, Log, log_callback
from ._handle import Handle
from .dataset import SPLITS, Augmentation, Dataset, check_read
from .errors import check
from .mining import Mining

KINDS = {
    _abi.TRAINING_CALIBRATION: "calibration", _abi.TRAINING_STEP: "step", _abi.TRAINING_VALIDATION: "validation",
    _abi.TRAINING_EPOCH: "epoch", _abi.TRAINING_MINING: "mining",
}
STATUSES = {
    _abi.TRAINER_RUNNING: "running", _abi.TRAINER_FINISHED: "finished", _abi.TRAINER_STOPPED: "stopped",
}
#: Options that are numbers to Python, too, by name: those that are choices have arguments of their own.
_NUMBERS = {
    name: kind for name, kind, *_ in _abi.trainer_options._fields_
    if kind in (ctypes.c_int32, ctypes.c_int64, ctypes.c_uint64, ctypes.c_double)
    and name not in ("struct_size", "resume", "train_split", "validation_split", "on_bad_image", "instructions", "optimiser",
                     "lr_schedule", "reserved")
}
OPTIMISERS = {"sgd": _abi.OPTIMISER_SGD, "adamw": _abi.OPTIMISER_ADAMW}
RATE_SCHEDULES = {"steps": _abi.RATE_STEPS, "cosine": _abi.RATE_COSINE}


class TrainingEvent(NamedTuple):
    """What progress gets (uldor.h, uldor_training_event). `kind` is "calibration", "mining", "step", "validation" or "epoch";
    `seconds_left`, `validation_loss` and `best_loss` are None where they are not known yet."""

    kind: str
    epoch: int
    epochs: int
    is_best: bool
    step: int
    steps: int
    total_steps: int
    skipped_images: int
    objectness: float
    rpn_box: float
    classifier: float
    box: float
    mask: float
    loss: float
    lr: float
    gradient_norm: float
    images_per_second: float
    seconds_left: Optional[float]
    validation_loss: Optional[float]
    best_loss: Optional[float]


class TrainerState(NamedTuple):
    """How far a run is. `status` is "running", "finished" or "stopped" (the validation loss fell no longer)."""

    status: str
    resumed: bool
    epoch: int
    epochs: int
    step: int
    steps: int
    total_steps: int
    train_images: int
    validation_images: int
    skipped_images: int
    parameters: int
    trained_parameters: int
    memory_bytes: int
    validation_loss: Optional[float]
    best_loss: Optional[float]
    best_epoch: Optional[int]
    threads: int


#: Called with a TrainingEvent; a true value cancels the run.
Progress = Callable[[TrainingEvent], Any]


def _known(value: float) -> Optional[float]:
    return None if math.isnan(value) else value


def _event(raw: Any) -> TrainingEvent:
    values = {name: getattr(raw, name) for name in TrainingEvent._fields}
    values["kind"] = KINDS.get(raw.kind, str(raw.kind))
    values["is_best"] = bool(raw.is_best)
    values["seconds_left"] = None if raw.seconds_left < 0 else raw.seconds_left
    values["validation_loss"], values["best_loss"] = _known(raw.validation_loss), _known(raw.best_loss)
    return TrainingEvent(**values)


class Reduction:
    """Sums over processes: `rank` of `size`, and `sum`, which replaces a numpy array (float64 or float32) by its sum over all
    processes, in place and the same bits in each. See train_mpi.py."""

    def __init__(self, rank: int, size: int, sum: Callable[[NDArray[Any]], None]) -> None:
        self.rank = rank
        self.size = size
        self.sum = sum


class _TrainerCallbacks:
    """The host's functions as C calls them. They do not refer to the trainer: a cycle would keep that alive until the garbage
    collector runs."""

    def __init__(self, progress: Optional[Progress], reduction: Optional[Reduction]) -> None:
        self._progress = progress
        self._reduction = reduction
        self.guard = Guard()
        self.progress = _abi.training_fn(self.guard(self._receive))
        self.reduction: Any = None
        if reduction is not None:
            self.reduction = _abi.new(_abi.reduction)
            self.reduction.rank, self.reduction.size = int32("rank", reduction.rank), int32("size", reduction.size)
            self.reduction.sum_doubles = _abi.sum_doubles_fn(self.guard(self._sum))
            self.reduction.sum_floats = _abi.sum_floats_fn(self.guard(self._sum))
        self.events: List[TrainingEvent] = []
        self.collects = False

    def _receive(self, raw: Any) -> Any:
        event = _event(raw.contents)
        if self.collects:
            self.events.append(event)
        return self._progress is not None and self._progress(event)

    def _sum(self, values: Any, count: int) -> None:
        assert self._reduction is not None
        self._reduction.sum(numpy.ctypeslib.as_array(values, (count,)))


class Trainer(Handle):
    """A training run on the training images of `train`; validated on those of `validation`, or of `train`, too.

    `init` (a weights file) and `architecture` ("resnet18" ... "resnet152", "narrow") say what it begins with; every other
    argument is the field of the same name in uldor.h (uldor_trainer_options) and has its default there. `output`,
    `checkpoint` and `log_file` are paths: where the checkpoint is there, the run goes on from it. `progress` gets a
    TrainingEvent on the thread that runs the trainer; what it raises comes out of the run. `mining` says by what rule and before
    which epochs hard negatives are mined, `mined` is a file of mine() to learn from, `mined_output` where each set is written.

        with uldor.Trainer(dataset, architecture="resnet18", output="weights.safetensors") as trainer:
            trainer.run()

    Iterating runs step by step and yields their events: `for event in tqdm(trainer, total=len(trainer))`.

    Raises InvalidArgument, FileError, FormatError, ModelError, Unsupported, NoMemory.
    """

    _kind = "trainer"

    def __init__(self, train: Dataset, validation: Optional[Dataset] = None, *, init: Optional[Path] = None,
                 architecture: Optional[str] = None, config: Optional[Config] = None, output: Optional[Path] = None,
                 checkpoint: Optional[Path] = None, log_file: Optional[Path] = None, resume: str = "if_there",
                 mining: Optional[Mining] = None, mined: Optional[Path] = None, mined_output: Optional[Path] = None,
                 augmentation: Optional[Augmentation] = None, reduction: Optional[Reduction] = None,
                 train_split: str = "train", validation_split: Optional[str] = "validation", on_bad_image: str = "error",
                 instructions: str = "best", optimiser: str = "sgd", lr_schedule: str = "steps",
                 progress: Optional[Progress] = None, log: Optional[Log] = None,
                 **options: Union[int, float, bool]) -> None:
        raw = defaults(_abi.trainer_options)
        for name, value in options.items():
            if name not in _NUMBERS:
                raise TypeError(f"Trainer() got an unexpected keyword argument {name!r}")
            _set(raw, name, value)
        raw.init_path, raw.architecture = path_bytes(init), None if architecture is None else architecture.encode()
        raw.config = config_bytes(config)
        raw.output_path, raw.checkpoint_path, raw.log_path = path_bytes(output), path_bytes(checkpoint), path_bytes(log_file)
        raw.resume = choose(RESUME, "resume", resume)
        raw.train_split = choose(SPLITS, "train_split", train_split)
        raw.validation_split = 0 if validation_split is None else choose(SPLITS, "validation_split", validation_split)
        raw.on_bad_image = choose(ON_BAD, "on_bad_image", on_bad_image)
        raw.instructions = choose(INSTRUCTIONS, "instructions", instructions)
        raw.optimiser = choose(OPTIMISERS, "optimiser", optimiser)
        raw.lr_schedule = choose(RATE_SCHEDULES, "lr_schedule", lr_schedule)
        self._callbacks = _TrainerCallbacks(progress, reduction)
        self._log = log_callback(log)
        raw.log, raw.progress = self._log, self._callbacks.progress
        if self._callbacks.reduction is not None:
            raw.reduction = ctypes.pointer(self._callbacks.reduction)
        if mining is not None:
            raw.mining = ctypes.pointer(mining._raw())
        raw.mined_path, raw.mined_output_path = path_bytes(mined), path_bytes(mined_output)
        if augmentation is not None:
            raw.augmentation = ctypes.pointer(augmentation._raw())
        # Their sources' callbacks are the data sets' own: they must live as long as the trainer.
        self._datasets = (train, validation)
        handle = ctypes.c_void_p()
        with train._use() as first:
            if validation is None:
                check(_abi.lib.uldor_trainer_create(first, None, ctypes.byref(raw), ctypes.byref(handle)))
            else:
                with validation._use() as second:
                    check(_abi.lib.uldor_trainer_create(first, second, ctypes.byref(raw), ctypes.byref(handle)))
        self._adopt(handle.value, _abi.lib.uldor_trainer_free)

    def _check(self, status: int) -> None:
        self._callbacks.guard.reraise()
        check_read(status, *self._datasets)

    @property
    def state(self) -> TrainerState:
        """How far the run is."""
        raw = self._get(_abi.lib.uldor_trainer_get_state, _abi.trainer_state)
        values = {name: getattr(raw, name) for name in TrainerState._fields}
        values["status"], values["resumed"] = STATUSES.get(raw.status, str(raw.status)), bool(raw.resumed)
        values["validation_loss"], values["best_loss"] = _known(raw.validation_loss), _known(raw.best_loss)
        values["best_epoch"] = None if raw.best_epoch < 0 else raw.best_epoch
        return TrainerState(**values)

    @property
    def report(self) -> List[str]:
        """What became of the tensors of `init`, one line each."""
        lines: List[str] = []

        def receive(user: Optional[int], message: bytes) -> int:
            lines.append(message.decode("utf-8", "replace"))
            return 0

        with self._use() as handle:
            self._check(_abi.lib.uldor_trainer_report(handle, _abi.report_fn(receive), None))
        return lines

    def run(self, steps: int = 0) -> TrainerState:
        """Trains, at most `steps` further steps, or to the end. Raises Cancelled, Busy, FileError, ImageError, FormatError,
        NoMemory; the trainer then stands where its last whole step left it, and can go on."""
        with self._use() as handle:
            self._check(_abi.lib.uldor_trainer_run(handle, steps))
        return self.state

    def __len__(self) -> int:
        """Events that iterating has left, one for each step and each epoch, if nothing stops it early."""
        state = self.state
        return 0 if state.status != "running" else (state.epochs - state.epoch) * (state.steps + 1) - state.step

    def __iter__(self) -> Iterator[TrainingEvent]:
        """Trains step by step. Yields each step's event, and after the last one of an epoch the epoch's."""
        callbacks = self._callbacks
        while self.state.status == "running":
            callbacks.collects, callbacks.events = True, []
            try:
                self.run(1)
            finally:
                callbacks.collects = False
                events, callbacks.events = callbacks.events, []
            yield from (event for event in events if event.kind in ("step", "epoch"))

    def cancel(self) -> None:
        """Makes a run in another thread raise Cancelled; it can go on afterwards."""
        with self._use() as handle:
            check(_abi.lib.uldor_trainer_cancel(handle))

    def save(self, path: Path, half: bool = False) -> None:
        """Writes the weights as they are now, whole or not at all; as F16 where `half`."""
        with self._use() as handle:
            self._check(_abi.lib.uldor_trainer_save(handle, path_bytes(path), 1 if half else 0))

    def write_checkpoint(self, path: Optional[Path] = None) -> None:
        """Writes a checkpoint, by default to `checkpoint`; whole or not at all."""
        with self._use() as handle:
            self._check(_abi.lib.uldor_trainer_write_checkpoint(handle, path_bytes(path)))

    def __repr__(self) -> str:
        return "<uldor.Trainer closed>" if self.closed else "<uldor.Trainer>"


def _set(raw: Any, name: str, value: Union[int, float, bool]) -> None:
    """Sets a number; what does not fit its type is an error, not cut off."""
    kind = _NUMBERS[name]
    if kind is ctypes.c_double:
        setattr(raw, name, float(value))
        return
    bits = 8 * ctypes.sizeof(kind)
    low, high = (0, 2**bits - 1) if kind is ctypes.c_uint64 else (-2**(bits - 1), 2**(bits - 1) - 1)
    number = operator.index(value)  # type: ignore[arg-type]
    if not low <= number <= high:
        raise ValueError(f"{name} {number} is out of range")
    setattr(raw, name, number)
