# SPDX-License-Identifier: Apache-2.0
"""Reads the tensors of a PyTorch (.pth, .pt), Detectron2 (.pkl) or safetensors checkpoint into numpy arrays.

A checkpoint is a pickle, and a pickle can run code. Here only tensors, arrays and plain containers are built; whatever
else a checkpoint carries (configuration, optimiser, training log) becomes an inert placeholder. torch is not needed,
except for files written before torch 1.6."""

from __future__ import annotations

import collections
import mmap
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

import safetensors_file

_STORAGE = {
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "BFloat16Storage": "bf16",
    "LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "?",
}
# Names that numpy's own pickles use; numpy 2 moved its core.
_NUMPY = {
    ("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"), ("numpy._core.multiarray", "scalar"),
    ("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode"),
}
_WRAPPERS = ("model", "state_dict", "model_state")


class CheckpointError(Exception):
    pass


class _Placeholder:
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        pass

    def extend(self, values: Any) -> None:
        pass

    def __call__(self, *args: Any, **kwargs: Any) -> _Placeholder:
        return self


def _rebuild_tensor(storage: np.ndarray, offset: int, size: tuple, stride: tuple, *_: Any) -> np.ndarray:
    if any(n < 0 for n in (offset, *size, *stride)):
        raise CheckpointError("a tensor has a negative size")
    last = offset + sum((n - 1) * s for n, s in zip(size, stride)) if all(size) else offset - 1
    if last >= len(storage):
        raise CheckpointError("a tensor reaches past the end of its storage")
    return np.lib.stride_tricks.as_strided(storage[offset:], size, [s * storage.itemsize for s in stride])


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: Any, storage: Any = None) -> None:
        super().__init__(file, encoding="latin1")
        self._storage = storage

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) in _NUMPY:
            return super().find_class(module, name)
        if module == "torch._utils" and name in ("_rebuild_tensor", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch._utils" and name == "_rebuild_parameter":
            return lambda data, *_: data
        if module in ("torch", "torch.storage") and name in _STORAGE:
            return _STORAGE[name]
        return type(name, (_Placeholder,), {})

    def persistent_load(self, reference: Any) -> Any:
        if self._storage is None or not isinstance(reference, tuple) or len(reference) < 5 or reference[0] != "storage":
            raise CheckpointError("an unknown kind of reference in the pickle")
        _, dtype, key, _, count = reference[:5]
        return self._storage(dtype, key, count)


def _zip_member(buffer: mmap.mmap, info: zipfile.ZipInfo) -> tuple[int, int]:
    """(offset, size) of a stored member; the local header's lengths may differ from the directory's."""
    if info.compress_type != zipfile.ZIP_STORED:
        raise CheckpointError(f"{info.filename} is compressed, which torch never does")
    name, extra = struct.unpack_from("<HH", buffer, info.header_offset + 26)
    return info.header_offset + 30 + name + extra, info.file_size


def _load_torch_zip(path: Path) -> Any:
    with open(path, "rb") as file, zipfile.ZipFile(file) as archive:
        members = {i.filename: i for i in archive.infolist()}
        pickles = [n for n in members if n.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise CheckpointError(f"{path}: not a torch checkpoint (TorchScript archives are not supported)")
        root = pickles[0].removesuffix("data.pkl")
        if root + "byteorder" in members and archive.read(root + "byteorder") != b"little":
            raise CheckpointError(f"{path}: big-endian checkpoints are not supported")
        buffer = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

        def storage(dtype: Any, key: str, count: int) -> np.ndarray:
            if not isinstance(dtype, str):
                return np.zeros(0, "u1")  # a type that no weight has (quantised, complex)
            kind = np.dtype("<u2" if dtype == "bf16" else dtype)
            offset, size = _zip_member(buffer, members[f"{root}data/{key}"])
            if count * kind.itemsize > size:
                raise CheckpointError(f"{path}: storage {key} is shorter than it says")
            array = np.frombuffer(buffer, kind, count, offset)
            return safetensors_file.from_bfloat16_bits(array) if dtype == "bf16" else array

        with archive.open(pickles[0]) as data:
            return _Unpickler(data, storage).load()


def _load_torch_legacy(path: Path) -> Any:
    try:
        import torch
    except ImportError:
        raise CheckpointError(f"{path}: written by torch < 1.6; reading it needs torch installed") from None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(f"{path}: torch cannot read it safely ({error}); save its state_dict alone and retry") from None


def _state_dict(data: Any, path: Path) -> dict[str, Any]:
    if isinstance(data, dict) and "blobs" in data:
        raise CheckpointError(f"{path}: a Caffe2 (Detectron 1) checkpoint; load and save it with Detectron2 first")
    for key in _WRAPPERS:
        if isinstance(data, dict) and isinstance(data.get(key), dict):
            data = data[key]
            break
    if not isinstance(data, dict):
        raise CheckpointError(f"{path}: no state_dict inside (found {type(data).__name__})")
    return data


def load(path: str | Path) -> dict[str, np.ndarray]:
    """Name -> array, without DataParallel's `module.` prefix and without num_batches_tracked."""
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    try:
        if path.suffix == ".safetensors":
            data: Any = safetensors_file.load(path)[0]
        elif path.suffix == ".pkl":
            with open(path, "rb") as file:
                data = _Unpickler(file).load()
        elif zipfile.is_zipfile(path):
            data = _load_torch_zip(path)
        else:
            data = _load_torch_legacy(path)
    except (pickle.UnpicklingError, EOFError, KeyError, ValueError, struct.error) as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from None
    tensors = {}
    for name, value in _state_dict(data, path).items():
        if type(value).__module__.split(".")[0] == "torch" and hasattr(value, "detach"):
            value = value.detach().float().numpy()
        if isinstance(value, np.ndarray) and not name.endswith("num_batches_tracked"):
            tensors[name.removeprefix("module.")] = value
    if not tensors:
        raise CheckpointError(f"{path}: no tensors inside")
    return tensors
