# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime on the exported graph."""
from __future__ import annotations

import time
from typing import Any, Dict, Tuple

import numpy as np
import onnxruntime

from configuration import Configuration, graph
from engines.paste import Paster

OUTPUTS = ("boxes", "labels", "scores", "masks28")


class OnnxRuntime:
    """One graph from the tensor to 28 x 28 masks; torchvision's function pastes them afterwards."""

    pasted = False

    def __init__(self, configuration: Configuration) -> None:
        self._paste = Paster(configuration.threads) if configuration.paste and not self.pasted else None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = configuration.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Within a run its threads spin between operators, as by default; after it they must let the next engine have the cores.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self.session = onnxruntime.InferenceSession(
            str(graph(configuration.size, configuration.detections, self.pasted)), options, providers=["CPUExecutionProvider"])

    def run(self, tensor: np.ndarray) -> Tuple[Any, Dict[str, float]]:
        found = dict(zip(OUTPUTS, self.session.run(None, {"image": tensor})))
        begin = time.perf_counter()
        if self._paste:
            found["masks"] = self._paste(found["masks28"], found["boxes"], tensor.shape[1:])
        return found, {"paste": (time.perf_counter() - begin) * 1e3}

    def arrays(self, output: Any) -> Dict[str, np.ndarray]:
        names = OUTPUTS[:3] if self.pasted else OUTPUTS
        return {name: output[name] for name in names}

    def about(self) -> Dict[str, str]:
        return {"onnxruntime": onnxruntime.__version__}


class OnnxRuntimePaste(OnnxRuntime):
    pasted = True
