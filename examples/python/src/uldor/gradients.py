# SPDX-License-Identifier: Apache-2.0
"""Losses and gradients of one batch with all draws given: how training is compared with other implementations."""
from __future__ import annotations

import ctypes
from typing import Dict, Mapping, Optional

import numpy
from numpy.typing import ArrayLike, NDArray

from . import _abi
from ._abi import int32
from ._arguments import INSTRUCTIONS, Config, Path, choose, config_bytes, defaults, path_bytes
from .errors import check
from .tensors import TensorSet


def run_gradients(path: Path, inputs: Mapping[str, ArrayLike], *, config: Optional[Config] = None,
                  trainable_layers: int = 3, threads: int = 0, instructions: str = "best", exact: bool = False, steps: int = 0,
                  rate: float = 1e-3, momentum: float = 0.9, decay: float = 1e-4) -> Dict[str, NDArray[numpy.float32]]:
    """`losses` and each trained parameter's gradient, or its value after `steps` of SGD. Inputs: see uldor_run_gradients()
    in uldor.h."""
    options = defaults(_abi.gradients_options)
    options.config = config_bytes(config)
    options.trainable_layers = int32("trainable_layers", trainable_layers)
    options.threads = int32("threads", threads)
    options.instructions = choose(INSTRUCTIONS, "instructions", instructions)
    options.exact = exact
    options.steps = int32("steps", steps)
    options.rate, options.momentum, options.decay = rate, momentum, decay
    outputs = ctypes.c_void_p()
    with TensorSet.of(inputs) as tensors, tensors._use() as pointer:
        check(_abi.lib.uldor_run_gradients(path_bytes(path), ctypes.byref(options), pointer, ctypes.byref(outputs)))
    with TensorSet(outputs.value) as result:
        return result.arrays()
