# SPDX-License-Identifier: Apache-2.0
"""OpenVINO on the exported graph."""
from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Dict, Tuple

import numpy as np
import openvino

from configuration import DATA, Configuration, graph, intermediate
from engines.paste import Paster

OUTPUTS = ("boxes", "labels", "scores", "masks28")


class OpenVino:
    """One graph from the tensor to 28 x 28 masks; torchvision's function pastes them afterwards."""

    pasted = False

    def __init__(self, configuration: Configuration) -> None:
        self._paste = Paster(configuration.threads) if configuration.paste and not self.pasted else None
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": configuration.threads,
                    "INFERENCE_PRECISION_HINT": "f32"} | self.settings()
        self.compiled = openvino.Core().compile_model(str(self.file(configuration)), "CPU", settings)

    def settings(self) -> Dict[str, Any]:
        return {}

    def file(self, configuration: Configuration) -> Path:
        return graph(configuration.size, configuration.detections, self.pasted)

    def run(self, tensor: np.ndarray) -> Tuple[Any, Dict[str, float]]:
        outputs = self.compiled(tensor, share_inputs=True, share_outputs=True)
        found = {name: np.asarray(array) for name, array in zip(OUTPUTS, outputs.values())}
        begin = time.perf_counter()
        if self._paste:
            found["masks"] = self._paste(found["masks28"], found["boxes"], tensor.shape[1:])
        return found, {"paste": (time.perf_counter() - begin) * 1e3}

    def arrays(self, output: Any) -> Dict[str, np.ndarray]:
        names = OUTPUTS[:3] if self.pasted else OUTPUTS
        return {name: output[name] for name in names}

    def about(self) -> Dict[str, str]:
        return {"openvino": openvino.__version__}


class OpenVinoPaste(OpenVino):
    pasted = True


class OpenVinoCached(OpenVino):
    """From OpenVINO's own file, with what it compiled kept on disk from the last time: its fastest start."""

    def settings(self) -> Dict[str, Any]:
        return {"CACHE_DIR": str(DATA / "openvino_cache")}

    def file(self, configuration: Configuration) -> Path:
        return intermediate(configuration.size, configuration.detections)
