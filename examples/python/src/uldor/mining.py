# SPDX-License-Identifier: Apache-2.0
"""Hard negatives: what a model takes for a lesion with more conviction than the lesions of the image (docs/mining.md)."""
from __future__ import annotations

import ctypes
import json
import operator
import os
from typing import Any, Callable, Dict, Iterator, NamedTuple, Optional, Tuple, Union

import numpy
from numpy.typing import NDArray

from . import _abi
from ._abi import int32
from ._arguments import INSTRUCTIONS, ON_BAD, RESUME, Path, choose, defaults, path_bytes
from ._callbacks import Guard, Log, log_callback
from .dataset import SPLITS, Box, Dataset, check_read
from .errors import FormatError
from .model import Model

#: Called with the fraction done, 0..1, and an image's name; a true value cancels the call.
Progress = Callable[[float, str], Any]


class Mining(NamedTuple):
    """The rule of mining (uldor.h, uldor_mining_options). `first_epoch` and `every` are for a Trainer: the epoch, from 0, before
    which it mines first, and after how many it mines again (0: only once)."""

    good_iou: float = 0.3
    min_score: float = 0.7
    most: int = 3
    boxes_only: bool = False
    spare_quantile: float = 1.0
    score_threshold: float = 0.05
    first_epoch: int = 1
    every: int = 1
    streams: int = 0

    def _raw(self) -> Any:
        raw = defaults(_abi.mining_options)
        for name, value in zip(self._fields, self):
            is_number = dict(_abi.mining_options._fields_)[name] is ctypes.c_double  # type: ignore[arg-type,call-overload]
            setattr(raw, name, float(value) if is_number else int32(name, value))
        return raw


class MiningInfo(NamedTuple):
    """What was found: `images` looked at, of which `resumed` by an earlier call; in `images_found` a lesion was found; of class
    lesion there were `detections`, `good` ones among them. Of the `candidates` (`spared` ones left out) some were `mined`."""

    images: int
    images_found: int
    resumed: int
    skipped_images: int
    detections: int
    good: int
    spared: int
    candidates: int
    mined: int


def mine(model: Model, dataset: Dataset, path: Path, *, split: str = "train", seed: int = 0, epoch: int = 0,
         resume: str = "if_there", on_bad_image: str = "error", threads: int = 0, instructions: str = "best", exact: bool = False,
         progress: Optional[Progress] = None, log: Optional[Log] = None, **rule: Union[int, float, bool]) -> MiningInfo:
    """Mines the images of a split that have lesions, and writes what it found to `path` (docs/mining.md), for
    `Trainer(mined=path)` and `read_mined(path)`. `rule` are the fields of Mining. A call that ends early (Ctrl-C, kill, `progress`)
    leaves `path`.part, from which the same call goes on, to the same bytes; `resume` is "if_there", "never" or "always".

    `progress` is called on this thread; what it raises comes out. With tqdm:

        with tqdm(total=1) as bar:
            uldor.mine(model, data, "mined.jsonl", progress=lambda done, image: bar.update(done - bar.n) and None)

    Raises InvalidArgument, FormatError, FileError, ImageError, Cancelled, NoMemory.
    """
    raw = Mining(**rule)._raw()  # type: ignore[arg-type]
    raw.split = choose(SPLITS, "split", split)
    raw.seed, raw.epoch = _within("seed", seed, 0, 2**64), _within("epoch", epoch, -2**63, 2**63)
    raw.resume = choose(RESUME, "resume", resume)
    raw.on_bad_image = choose(ON_BAD, "on_bad_image", on_bad_image)
    raw.threads = int32("threads", threads)
    raw.instructions = choose(INSTRUCTIONS, "instructions", instructions)
    raw.exact = int(exact)
    raw.log = log_callback(log)
    guard = Guard()
    if progress is not None:
        receive = progress
        raw.progress = _abi.progress_fn(guard(lambda fraction, image: receive(fraction, image.decode("utf-8", "replace"))))
    info = _abi.new(_abi.mining_info)
    with model._use() as model_handle, dataset._use() as dataset_handle:
        status = _abi.lib.uldor_mine(model_handle, dataset_handle, path_bytes(path), ctypes.byref(raw), ctypes.byref(info))
    guard.reraise()
    check_read(status, dataset)
    return MiningInfo(*(getattr(info, field) for field in MiningInfo._fields))


def _within(name: str, value: int, low: int, end: int) -> int:
    number = operator.index(value)
    if not low <= number < end:
        raise ValueError(f"{name} {number} is out of range")
    return number


class MinedMask(NamedTuple):
    """A predicted mask: `cells`, height x width of bool, each `dx` x `dy` image pixels; the first one's corner is at (x, y)."""

    cells: NDArray[numpy.bool_]
    x: float
    y: float
    dx: float
    dy: float


class MinedDetection(NamedTuple):
    """A detection of class lesion: its probability `s1`, its best IoU `s2`, and what became of it: `why` is "good", "low", "chosen",
    "not drawn" or "spared". `mask` is there for candidates whose mask is not empty."""

    box: Box
    s1: float
    s2: float
    why: str
    mask: Optional[MinedMask]


class MinedImage(NamedTuple):
    """An image of a mined file. `case` is "a" where a detection is good, else "b"."""

    image: str
    lesions: int
    case: str
    detections: Tuple[MinedDetection, ...]


def read_mined(path: Path) -> Iterator[MinedImage]:
    """The images of a file that mine() wrote, one by one. Raises FormatError, with the line, where it is none or not whole."""
    with open(path, encoding="utf-8") as lines:
        is_whole = False
        for number, line in enumerate(lines, 1):
            try:
                fields = json.loads(line)
                if is_whole:
                    raise ValueError("a line behind the last one")
                if number == 1:
                    if fields["uldor_mined"] != 1:
                        raise ValueError(f"version {fields['uldor_mined']}")
                elif "end" in fields:
                    is_whole = True
                else:
                    yield _image(fields)
            except (ValueError, TypeError, KeyError) as error:
                raise FormatError(f"{os.fspath(path)!r}:{number}: not a line of a mined file: {error!r}") from error
        if not is_whole:
            raise FormatError(f"{os.fspath(path)!r}: the last line is missing: the mining was not finished")


def _image(fields: Dict[str, Any]) -> MinedImage:
    found = (MinedDetection(tuple(d["box"]), d["s1"], d["s2"], d["why"], _mask(d["mask"]) if "mask" in d else None)
             for d in fields["detections"])
    return MinedImage(fields["image"], fields["lesions"], fields["case"], tuple(found))


def _mask(fields: Dict[str, Any]) -> MinedMask:
    width, height, counts = fields["width"], fields["height"], fields["counts"]
    if sum(counts) != width * height:
        raise ValueError(f"counts of {sum(counts)} cells, not {width} x {height}")
    cells = numpy.repeat(numpy.arange(len(counts)) % 2 == 1, counts)
    return MinedMask(cells.reshape(width, height).T, fields["x"], fields["y"], fields["dx"], fields["dy"])
