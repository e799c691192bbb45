# SPDX-License-Identifier: Apache-2.0
"""libuldor through its Python package."""
from __future__ import annotations

import sys
import time
from typing import Any, Dict, List, Tuple

import numpy as np

from configuration import ROOT, Configuration, weights

sys.path.insert(0, str(ROOT / "examples" / "python" / "src"))
import uldor  # noqa: E402


class Uldor:
    """A forward pass always pastes, outlines and measures the masks; what `paste` adds is fetching the bitmaps as arrays, into memory
    that is kept from pass to pass: 100 of 800 x 800 pixels are 64 MB, of which fresh pages would take several times as long as
    the pasting. Other engines have no such place to name."""

    def __init__(self, configuration: Configuration) -> None:
        self._paste = configuration.paste
        self._marks: List[Tuple[float, str]] = []
        self._bitmaps = np.empty((0, 0, 0), np.uint8)
        self.model = self._load(configuration.threads)
        self.session = self.model.session(
            threads=configuration.threads, score_threshold=configuration.score_threshold, progress=self._mark,
            resampling=False, body_crop=False)

    def _load(self, threads: int) -> uldor.Model:
        return uldor.Model(weights(), threads=threads)

    def _mark(self, fraction: float, stage: str) -> None:
        self._marks.append((time.perf_counter(), stage))

    def run(self, tensor: np.ndarray) -> Tuple[Any, Dict[str, float]]:
        """(result, milliseconds of `paste`)."""
        self._marks.clear()
        self._begin = time.perf_counter()
        result = self.session.forward(tensor)
        self._end = begin = time.perf_counter()
        bitmaps = self._fetch(result) if self._paste else None
        return (result, bitmaps), {"paste": (time.perf_counter() - begin) * 1e3}

    def _fetch(self, result: uldor.Result) -> np.ndarray:
        count, height, width = self._bitmaps.shape
        if count < len(result) or (height, width) != (result.height, result.width):
            self._bitmaps = np.empty((len(result), result.height, result.width), np.uint8)
        return result.get_masks(self._bitmaps)

    def stages(self) -> Dict[str, float]:
        """Milliseconds of the last run between the progress reports, by the name that the earlier one gave. A name that comes
        again is the same stage going on."""
        marks = [(self._begin, "input"), *self._marks, (self._end, "")]
        found: Dict[str, float] = {}
        for (begin, name), (end, _) in zip(marks, marks[1:]):
            found[name] = found.get(name, 0.0) + (end - begin) * 1e3
        return found

    def arrays(self, output: Any) -> Dict[str, np.ndarray]:
        result = output[0]
        masks = [found.mask_probabilities for found in result]
        return {"boxes": result.boxes, "scores": result.scores, "labels": result.labels,
                "masks28": np.stack(masks)[:, None] if masks else np.empty((0, 1, 28, 28), np.float32)}

    def detect(self, volume: np.ndarray, key: int) -> int:
        """Detections in one slice of a volume of Hounsfield units."""
        return len(self.session.detect(volume, key_slice=key, spacing=0.8, slice_interval=2.0))

    def parts(self, size: int, volume: np.ndarray, repeats: int) -> Dict[str, List[float]]:
        """Milliseconds of planning a pass (buffers and algorithms of every layer; nothing is computed), and of making the network's
        input of a slice in HU: window, body crop, scaling, slices in between. The latter is done twice for each figure, once to learn
        the size."""
        session = self.model.session(threads=self.session.info.threads)
        found: Dict[str, List[float]] = {"plan_ms": [], "prepare_ms": []}
        for _ in range(repeats):
            begin = time.perf_counter()
            self.session.estimate_memory(size, size)
            planned = time.perf_counter()
            session.input(volume, key_slice=len(volume) // 2, spacing=0.8, slice_interval=2.0)
            found["plan_ms"].append((planned - begin) * 1e3)
            found["prepare_ms"].append((time.perf_counter() - planned) * 1e3)
        return found

    def about(self) -> Dict[str, str]:
        info = self.session.info
        return {"libuldor": uldor.library_version(), "instructions": info.instructions, "threads": str(info.threads)}


class UldorPacked(Uldor):
    """The same weights as they lie in memory, in a file that is mapped; made by the first process."""

    def _load(self, threads: int) -> uldor.Model:
        packed = weights().with_suffix(".packed")
        if not packed.exists():
            uldor.Model(weights(), threads=threads).save_packed(packed)
        return uldor.Model(packed, memory_map=True, threads=threads)
