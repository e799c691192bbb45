# SPDX-License-Identifier: Apache-2.0
"""What engines that run the exported graph share."""
from __future__ import annotations

import time
from typing import Any, Dict, Tuple

import numpy as np

from configuration import Configuration
from engines.paste import Paster

OUTPUTS = ("boxes", "labels", "scores", "masks28")


class ExportedGraph:
    """One graph from the tensor to 28 x 28 masks; torchvision's function pastes them afterwards, or the graph itself (`pasted`)."""

    pasted = False

    def __init__(self, configuration: Configuration) -> None:
        self._paste = Paster(configuration.threads) if configuration.paste and not self.pasted else None

    def infer(self, tensor: np.ndarray) -> Dict[str, Any]:
        """The graph's outputs by name; what an engine has of its own."""
        raise NotImplementedError

    def run(self, tensor: np.ndarray) -> Tuple[Any, Dict[str, float]]:
        found = self.infer(tensor)
        begin = time.perf_counter()
        if self._paste:
            found["masks"] = self._paste(found["masks28"], found["boxes"], tensor.shape[1:])
        return found, {"paste": (time.perf_counter() - begin) * 1e3}

    def arrays(self, output: Any) -> Dict[str, np.ndarray]:
        names = OUTPUTS[:3] if self.pasted else OUTPUTS
        return {name: output[name] for name in names}
