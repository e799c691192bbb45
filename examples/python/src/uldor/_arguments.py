# SPDX-License-Identifier: Apache-2.0
"""Python's arguments as the C interface takes them; what does not fit is an error here, not cut off without a word."""
from __future__ import annotations

import ctypes
import json
import os
from typing import Any, Mapping, Optional, Union

from . import _abi
from .errors import check

Path = Union[str, "os.PathLike[str]"]
Config = Union[str, Mapping[str, Any]]

INSTRUCTIONS = {
    "best": _abi.INSTRUCTIONS_BEST, "portable": _abi.INSTRUCTIONS_PORTABLE, "avx2": _abi.INSTRUCTIONS_AVX2,
    "avx512": _abi.INSTRUCTIONS_AVX512,
}
RESUME = {"if_there": _abi.RESUME_IF_THERE, "never": _abi.RESUME_NEVER, "always": _abi.RESUME_ALWAYS}
ON_BAD = {"error": _abi.BAD_ERROR, "skip": _abi.BAD_SKIP}


def choose(table: Mapping[str, int], what: str, name: str) -> int:
    """The number behind a name; ValueError lists the names."""
    try:
        return table[name]
    except KeyError:
        raise ValueError(f"{what} {name!r}: one of {', '.join(table)}") from None


def path_bytes(path: Optional[Path]) -> Optional[bytes]:
    """A path as C has it; None stays None."""
    if path is None:
        return None
    name = os.fsencode(path)
    if b"\0" in name:
        raise ValueError("the path contains a NUL byte")
    return name


def config_bytes(config: Optional[Config]) -> Optional[bytes]:
    """A configuration, JSON as text or what json.dumps() makes JSON of, as C has it; None stays None."""
    if config is None:
        return None
    text = config if isinstance(config, str) else json.dumps(config, allow_nan=False)
    if "\0" in text:
        raise ValueError("the configuration contains a NUL character")
    return text.encode("utf-8")


def defaults(struct: Any) -> Any:
    """A struct as the library's `uldor_<name>_init` fills it."""
    raw = struct()
    check(getattr(_abi.lib, f"uldor_{struct.__name__}_init")(ctypes.byref(raw), ctypes.sizeof(raw)))
    return raw
