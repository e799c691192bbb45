# SPDX-License-Identifier: Apache-2.0
"""Reads and writes safetensors files with numpy alone, bfloat16 included (numpy has no such type)."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import numpy as np

_NUMPY = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}
_NAME = {np.dtype(v): k for k, v in _NUMPY.items()}
_MAX_HEADER = 100_000_000


def bfloat16_bits(array: np.ndarray) -> np.ndarray:
    """Float32 rounded to the nearest bfloat16, ties to even; the upper 16 bits."""
    bits = np.ascontiguousarray(array, dtype="<f4").view("<u4")
    return ((bits + (((bits >> 16) & 1) + 0x7FFF)) >> 16).astype("<u2")


def from_bfloat16_bits(bits: np.ndarray) -> np.ndarray:
    return (bits.astype("<u4") << 16).view("<f4")


def encode(array: np.ndarray, dtype: str | None = None) -> tuple[str, np.ndarray]:
    """(safetensors dtype, raw array); `dtype` F32, F16 or BF16 converts, None keeps."""
    if dtype == "BF16":
        return dtype, bfloat16_bits(array)
    if dtype is not None:
        array = array.astype(_NUMPY[dtype])
    array = np.ascontiguousarray(array)
    if array.dtype not in _NAME:
        raise ValueError(f"safetensors cannot hold {array.dtype}")
    return _NAME[array.dtype], array


def save(path: str | os.PathLike, tensors: dict[str, np.ndarray], metadata: dict[str, str] | None = None,
         dtypes: dict[str, str] | None = None) -> None:
    """Writes beside `path` and renames, so that a reader never meets half a file."""
    encoded = {name: encode(array, (dtypes or {}).get(name)) for name, array in tensors.items()}
    # Wide types first keeps every tensor aligned to its own size.
    order = sorted(encoded, key=lambda n: (-encoded[n][1].dtype.itemsize, n))
    header: dict = {"__metadata__": metadata} if metadata else {}
    offset = 0
    for name in order:
        dtype, array = encoded[name]
        header[name] = {"dtype": dtype, "shape": list(tensors[name].shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)

    path = Path(path)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for name in order:
                file.write(encoded[name][1].tobytes())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def load(path: str | os.PathLike) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """(tensors, metadata). F16 and BF16 come as float32: both are exact in it."""
    data = Path(path).read_bytes()
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or size > min(_MAX_HEADER, len(data) - 8):
        raise ValueError(f"{path}: not a safetensors file")
    header = json.loads(data[8:8 + size])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        raw = data[8 + size + begin:8 + size + end]
        if entry["dtype"] == "BF16":
            array = from_bfloat16_bits(np.frombuffer(raw, "<u2"))
        elif entry["dtype"] in _NUMPY:
            array = np.frombuffer(raw, _NUMPY[entry["dtype"]])
            array = array.astype("<f4") if entry["dtype"] == "F16" else array
        else:
            raise ValueError(f"{path}: {name}: unknown dtype {entry['dtype']}")
        tensors[name] = array.reshape(entry["shape"])
    return tensors, metadata
