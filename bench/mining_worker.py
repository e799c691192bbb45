#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Mining in a process of its own:  mining_worker.py WEIGHTS SIZE THREADS

A line on standard input is what to do; the answer is its seconds. "mine": uldor.mine() on all images. "detect": they are read and
detected on one by one, by one session with all threads. "epoch": an epoch of training with mining before it; "mining" is its part."""
from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict

import numpy as np
import training_data
from configuration import ROOT
from PIL import Image

sys.path[:0] = [str(ROOT / "examples" / "python" / "src"), str(ROOT / "Tests" / "python")]
import uldor  # noqa: E402
from dataset_files import row, write_csv  # noqa: E402

IMAGES = 8
#: Random weights are sure of nothing: with these every image has something to draw from.
RULE: Dict[str, Any] = dict(min_score=0.3)


def data_set(folder: Path, size: int) -> Any:
    """The slices in DeepLesion's layout, a PNG each with a neighbour on either side, two lesions on each."""
    rows = []
    for index, (hu, boxes, _) in enumerate(training_data.slices(size, IMAGES)):
        series = f"{index + 1:06d}_01_01"
        path = folder / "Images_png" / series
        path.mkdir(parents=True)
        for number in (4, 5, 6):
            Image.fromarray((hu.astype(np.int32) + 32768).astype(np.uint16)).save(path / f"{number:03d}.png")
        for x1, y1, x2, y2 in boxes:
            x, y = (x1 + x2) / 2, (y1 + y2) / 2
            rows.append(row(series, 5, recist=(x1, y, x2, y, x, y1, x, y2), size=(size, size), split=1))
    return uldor.Dataset(write_csv(folder, rows))


class Worker:
    def __init__(self, folder: Path, weights: str, size: int, threads: int) -> None:
        self._folder, self._threads = folder, threads
        self._data = data_set(folder, size)
        self._model = uldor.Model(weights)
        self._session = self._model.session(threads=threads, score_threshold=0.05)
        self._at, self._mining = 0.0, 0.0
        self._trainer = uldor.Trainer(
            self._data, init=weights, classes=3, validation_split=None, epochs=1000, lr=1e-4, lr_epochs=0, threads=threads,
            mining=uldor.Mining(first_epoch=0, **RULE), progress=self._count)

    def _count(self, event: Any) -> None:
        now = time.perf_counter()
        if event.kind == "mining":
            self._mining += now - self._at
        self._at = now

    def mine(self) -> Dict[str, float]:
        info = uldor.mine(self._model, self._data, self._folder / "mined", threads=self._threads, **RULE)
        return {"images": info.images, "mined": info.mined}

    def detect(self) -> Dict[str, float]:
        found = 0
        for index in range(len(self._data)):
            image = self._data.image(index)
            slices = self._data.read_image(index, self._model.slice_reach(image.slice_interval))
            with self._session.detect(slices.image, **slices.arguments) as result:
                found += len(result)
        return {"images": len(self._data), "detections": found}

    def epoch(self) -> Dict[str, float]:
        self._at, self._mining = time.perf_counter(), 0.0
        self._trainer.run(self._trainer.state.steps)
        return {"mining": self._mining}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory() as folder:
        worker = Worker(Path(folder), sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
        for line in sys.stdin:
            begin = time.perf_counter()
            found = getattr(worker, line.strip())()
            answers.write(json.dumps(found | {"seconds": time.perf_counter() - begin}) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
