# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime on the exported graph."""
from __future__ import annotations

from typing import Any, Dict

import numpy as np
import onnxruntime

from configuration import Configuration, graph
from engines.exported import OUTPUTS, ExportedGraph


class OnnxRuntime(ExportedGraph):
    def __init__(self, configuration: Configuration) -> None:
        super().__init__(configuration)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = configuration.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Within a run its threads spin between operators, as by default; after it they must let the next engine have the cores.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self.session = onnxruntime.InferenceSession(
            str(graph(configuration.size, configuration.detections, self.pasted)), options, providers=["CPUExecutionProvider"])

    def infer(self, tensor: np.ndarray) -> Dict[str, Any]:
        return dict(zip(OUTPUTS, self.session.run(None, {"image": tensor})))

    def about(self) -> Dict[str, str]:
        return {"onnxruntime": onnxruntime.__version__}


class OnnxRuntimePaste(OnnxRuntime):
    pasted = True
