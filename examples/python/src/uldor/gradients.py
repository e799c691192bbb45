# SPDX-License-Identifier: Apache-2.0
"""Losses and gradients of one batch with all draws given: how training is compared with other implementations."""
from __future__ import annotations

import ctypes
import os
from typing import Dict, Mapping, Optional, Union

import numpy
from numpy.typing import ArrayLike, NDArray

from . import _abi
from .errors import check
from .session import INSTRUCTIONS
from .tensors import TensorSet


def run_gradients(path: Union[str, os.PathLike], inputs: Mapping[str, ArrayLike], *, config: Optional[str] = None,
                  trainable_layers: int = 3, threads: int = 0, instructions: str = "best", exact: bool = False, steps: int = 0,
                  rate: float = 1e-3, momentum: float = 0.9, decay: float = 1e-4) -> Dict[str, NDArray[numpy.float32]]:
    """`losses` and each trained parameter's gradient, or its value after `steps` of SGD. Inputs: see uldor_run_gradients()
    in uldor.h."""
    options = _abi.gradients_options()
    check(_abi.lib.uldor_gradients_options_init(ctypes.byref(options), ctypes.sizeof(options)))
    options.config = None if config is None else config.encode("utf-8")
    options.trainable_layers = _abi.int32("trainable_layers", trainable_layers)
    options.threads = _abi.int32("threads", threads)
    options.instructions = INSTRUCTIONS[instructions]
    options.exact = exact
    options.steps = _abi.int32("steps", steps)
    options.rate, options.momentum, options.decay = rate, momentum, decay
    outputs = ctypes.c_void_p()
    with TensorSet.of(inputs) as tensors, tensors._use() as pointer:
        check(_abi.lib.uldor_run_gradients(os.fsencode(path), ctypes.byref(options), pointer, ctypes.byref(outputs)))
    with TensorSet(outputs.value) as result:
        return result.arrays()
