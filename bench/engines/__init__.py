# SPDX-License-Identifier: Apache-2.0
"""The engines by name. Nothing of them is imported here: the driver must stay small, and an engine that is not installed is a
row with an error, not an end."""
from __future__ import annotations

import importlib
from typing import Any, Dict, NamedTuple


class Entry(NamedTuple):
    """`label` for tables and the picture, `module` and `name` of the class; `base` is the engine that this is a variant of."""

    label: str
    module: str
    name: str
    base: str


_ALL = [
    ("uldor", "libuldor", "uldor", "Uldor", "uldor"),
    ("openvino", "OpenVINO", "openvino", "OpenVino", "openvino"),
    ("onnxruntime", "ONNX Runtime", "onnxruntime", "OnnxRuntime", "onnxruntime"),
    ("torch_compile", "torch.compile", "torchvision", "Compiled", "torch_compile"),
    ("torchvision_channels_last", "torchvision, BN folded, channels_last", "torchvision", "ChannelsLast", "torchvision_channels_last"),
    ("torchvision", "torchvision eager", "torchvision", "Eager", "torchvision"),
    ("openvino_paste", "OpenVINO, pasting in the graph", "openvino", "OpenVinoPaste", "openvino"),
    ("onnxruntime_paste", "ONNX Runtime, pasting in the graph", "onnxruntime", "OnnxRuntimePaste", "onnxruntime"),
    ("uldor_packed", "libuldor, packed weights, mapped", "uldor", "UldorPacked", "uldor"),
    ("openvino_cached", "OpenVINO, IR and model cache", "openvino", "OpenVinoCached", "openvino"),
]
ENGINES: Dict[str, Entry] = {key: Entry(label, module, name, base) for key, label, module, name, base in _ALL}
#: What runs in every comparison. The others are variants that some sections add.
MAIN = [key for key, *_ in _ALL[:6]]
#: The same network with the masks pasted by operators of the graph.
IN_GRAPH = ["openvino_paste", "onnxruntime_paste"]


def create(key: str, configuration: Any) -> Any:
    """The engine `key`, loaded and ready. Only a worker process calls this."""
    entry = ENGINES[key]
    return getattr(importlib.import_module(f"engines.{entry.module}"), entry.name)(configuration)
