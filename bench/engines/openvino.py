# SPDX-License-Identifier: Apache-2.0
"""OpenVINO on the exported graph."""
from __future__ import annotations

from pathlib import Path
from typing import Any, Dict

import numpy as np
import openvino

from configuration import DATA, Configuration, graph, intermediate
from engines.exported import OUTPUTS, ExportedGraph


class OpenVino(ExportedGraph):
    def __init__(self, configuration: Configuration) -> None:
        super().__init__(configuration)
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": configuration.threads,
                    "INFERENCE_PRECISION_HINT": "f32"} | self.settings()
        self.compiled = openvino.Core().compile_model(str(self.file(configuration)), "CPU", settings)

    def settings(self) -> Dict[str, Any]:
        return {}

    def file(self, configuration: Configuration) -> Path:
        return graph(configuration.size, configuration.detections, self.pasted)

    def infer(self, tensor: np.ndarray) -> Dict[str, Any]:
        outputs = self.compiled(tensor, share_inputs=True, share_outputs=True)
        return {name: np.asarray(array) for name, array in zip(OUTPUTS, outputs.values())}

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
