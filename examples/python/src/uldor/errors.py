# SPDX-License-Identifier: Apache-2.0
"""Exceptions: one class for each status of the C interface, all of them UldorError."""
from __future__ import annotations

from typing import Dict, Optional, Type

from . import _abi


class UldorError(Exception):
    """A call of libuldor failed. `status` is the C status, negative; the text is the library's message."""

    status: int = _abi.ERROR_INTERNAL


class InvalidArgument(UldorError, ValueError):
    """An argument is out of its range, or an object was used after close()."""

    status = _abi.ERROR_INVALID_ARGUMENT


class NoMemory(UldorError, MemoryError):
    """Out of memory, or a size does not fit."""

    status = _abi.ERROR_NOMEM


class FileError(UldorError, OSError):
    """A file cannot be opened or read."""

    status = _abi.ERROR_IO


class FormatError(UldorError, ValueError):
    """Not the kind of file it should be (weights, CSV, PNG), or a damaged one."""

    status = _abi.ERROR_FORMAT


class ModelError(UldorError, ValueError):
    """The tensors or the configuration are no usable detector."""

    status = _abi.ERROR_MODEL


class ImageError(UldorError, ValueError):
    """The image's description or its pixels cannot be used."""

    status = _abi.ERROR_IMAGE


class Busy(UldorError, RuntimeError):
    """The object is in use by another thread, or by the caller's own callback."""

    status = _abi.ERROR_BUSY


class Cancelled(UldorError):
    """Session.cancel() was called, or the progress callback asked for it."""

    status = _abi.ERROR_CANCELLED


class BufferTooSmall(UldorError):
    """A buffer does not hold the output. The package sizes its own, so this is a defect."""

    status = _abi.ERROR_BUFFER_TOO_SMALL


class Degenerate(UldorError, ValueError):
    """RECIST diameters that span no area."""

    status = _abi.ERROR_DEGENERATE


class Unsupported(UldorError, NotImplementedError):
    """Sound, but not read by this version of the library."""

    status = _abi.ERROR_UNSUPPORTED


class InternalError(UldorError):
    """A defect of the library; please report it."""

    status = _abi.ERROR_INTERNAL


_BY_STATUS: Dict[int, Type[UldorError]] = {
    kind.status: kind
    for kind in (InvalidArgument, NoMemory, FileError, FormatError, ModelError, ImageError, Busy, Cancelled,
                 BufferTooSmall, Degenerate, Unsupported, InternalError)
}


def error(status: int) -> UldorError:
    """The exception for the failure that this thread has just got from the library."""
    message = _abi.lib.uldor_last_error().decode("utf-8", "replace")
    if not message:
        message = _abi.lib.uldor_status_name(status).decode("ascii", "replace")
    kind = _BY_STATUS.get(status)
    if kind is not None:
        return kind(message)
    unknown = UldorError(message)
    unknown.status = status
    return unknown


def check(status: int, cause: Optional[BaseException] = None) -> None:
    """Raises the exception that belongs to `status` where it is an error; `cause` is what it came of, if that is known."""
    if status < 0:
        raise error(status) from cause
