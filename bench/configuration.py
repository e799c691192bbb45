# SPDX-License-Identifier: Apache-2.0
"""What is measured, and where its files lie. Standard library only: every process imports this."""
from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BENCH = ROOT / "bench"
BUILD = ROOT / "build" / "bench"
DATA = BUILD / "data"

ARCHITECTURE, CLASSES, SEED = "resnet101", 2, 7
#: The model's own limit and threshold: with the calibrated weights all 100 fill.
DETECTIONS, SCORE_THRESHOLD = 100, 0.05
#: Sizes and detections whose latency has a limit (limits.py).
REQUIRED = [(512, 100), (512, 5), (800, 100)]
#: 0 stands for "any size" where a size is asked for: a graph with free height and width.
ANY_SIZE = 0


@dataclass(frozen=True)
class Configuration:
    """One setting of one engine. `paste` asks for masks at the image's size; without it, for the network's 28 x 28."""

    size: int
    threads: int
    detections: int = DETECTIONS
    score_threshold: float = SCORE_THRESHOLD
    paste: bool = True

    @property
    def name(self) -> str:
        size = f"{self.size}" if self.size else "any"
        return f"{size}_{self.detections}det_{self.threads}t"

    def dump(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Configuration:
        return cls(**json.loads(text))


def weights() -> Path:
    return DATA / f"{ARCHITECTURE}_{CLASSES}class.safetensors"


def tensor(size: int) -> Path:
    """The network's input, channels x size x size float32."""
    return DATA / f"input_{size}.npy"


def reference(size: int) -> Path:
    """What torchvision finds in it: boxes, scores, labels, masks28; proposals, how many; threshold_5."""
    return DATA / f"reference_{size}.npz"


def graph(size: int, detections: int, pasted: bool = False) -> Path:
    """The ONNX file. The score threshold is a constant in it, so there is one for each number of detections."""
    return DATA / f"graph_{size or 'any'}_{detections}{'_pasted' if pasted else ''}.onnx"


def intermediate(size: int, detections: int) -> Path:
    """The same as OpenVINO's own file."""
    return graph(size, detections).with_suffix(".xml")


def slice_png() -> Path:
    """A 512 x 512 slice for the command-line tool."""
    return DATA / "slice_512.png"


def volume() -> Path:
    """Slices of 512 x 512 pixels of int16 HU."""
    return DATA / "volume.npy"
