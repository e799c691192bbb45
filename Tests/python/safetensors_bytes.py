# SPDX-License-Identifier: Apache-2.0
"""Weights files read without the library, and changed for a test."""
from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Tuple

import numpy


_TYPES = {"F32": "<f4", "F16": "<f2", "U8": "u1"}


def _parts(path: Any) -> Tuple[Dict[str, Any], Dict[str, str], bytes]:
    """A file's tensors as its header describes them, its metadata, and the bytes behind the header."""
    data = Path(path).read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + size])
    return header, header.pop("__metadata__", {}), data[8 + size:]


def tensors(path: Any) -> Dict[str, numpy.ndarray]:
    """What a file holds, in its own types."""
    header, _, body = _parts(path)
    return {name: numpy.frombuffer(body[slice(*entry["data_offsets"])], _TYPES[entry["dtype"]]).reshape(entry["shape"])
            for name, entry in header.items()}


def metadata(path: Any) -> Dict[str, str]:
    return _parts(path)[1]


def changed(path: Path, replaced: Optional[Mapping[str, numpy.ndarray]] = None, config: Optional[Mapping[str, Any]] = None,
            without: str = "") -> bytes:
    """The float32 file at `path` with some tensors and some fields of the configuration replaced or added, and one tensor
    left out."""
    header, texts, body = _parts(path)
    out: Dict[str, Any] = {"__metadata__": {"uldor": json.dumps({**json.loads(texts["uldor"]), **(config or {})})}}
    parts, at = [], 0
    for name in replaced or {}:
        header.setdefault(name, {"data_offsets": [0, 0]})
    for name, entry in header.items():
        if name == without:
            continue
        part = body[slice(*entry["data_offsets"])]
        if replaced and name in replaced:
            part = numpy.ascontiguousarray(replaced[name], "<f4").tobytes()
            entry = {"dtype": "F32", "shape": list(replaced[name].shape)}
        out[name] = {**entry, "data_offsets": [at, at + len(part)]}
        parts.append(part)
        at += len(part)
    text = json.dumps(out).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(parts)
