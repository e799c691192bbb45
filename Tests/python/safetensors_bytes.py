# SPDX-License-Identifier: Apache-2.0
"""Weights files in memory, changed for a test."""
from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any, Dict, Mapping, Optional

import numpy


def changed(path: Path, tensors: Optional[Mapping[str, numpy.ndarray]] = None, config: Optional[Mapping[str, Any]] = None,
            without: str = "") -> bytes:
    """The float32 file at `path` with some tensors and some fields of the configuration replaced or added, and one tensor
    left out."""
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header, body = json.loads(data[8:8 + size]), data[8 + size:]
    metadata = header.pop("__metadata__")
    out: Dict[str, Any] = {"__metadata__": {"uldor": json.dumps({**json.loads(metadata["uldor"]), **(config or {})})}}
    parts, at = [], 0
    for name in tensors or {}:
        header.setdefault(name, {"data_offsets": [0, 0]})
    for name, entry in header.items():
        if name == without:
            continue
        part = body[slice(*entry["data_offsets"])]
        if tensors and name in tensors:
            part = numpy.ascontiguousarray(tensors[name], "<f4").tobytes()
            entry = {"dtype": "F32", "shape": list(tensors[name].shape)}
        out[name] = {**entry, "data_offsets": [at, at + len(part)]}
        parts.append(part)
        at += len(part)
    text = json.dumps(out).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(parts)


def tensor(path: Path, name: str) -> numpy.ndarray:
    """One float32 tensor of a file."""
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    entry = json.loads(data[8:8 + size])[name]
    return numpy.frombuffer(data[8 + size:][slice(*entry["data_offsets"])], "<f4").reshape(entry["shape"])
