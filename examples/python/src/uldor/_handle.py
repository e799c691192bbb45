# SPDX-License-Identifier: Apache-2.0
"""What models, sessions and results have in common: a C handle that is closed once and not used after that."""
from __future__ import annotations

import ctypes
import threading
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Callable, Iterator, Optional, Type, TypeVar

from . import _abi
from .errors import Busy, InvalidArgument, check, error

Self = TypeVar("Self", bound="Handle")


class Handle:
    """Owns a handle of the library.

    ctypes lets other threads run during a call, so one of them could close the object in the middle of it. Uses are
    therefore counted: close() raises Busy while there is one. Every use goes through `_use()`.
    """

    _kind = "handle"
    # Defaults for __del__ of an object whose __init__ raised.
    _pointer: Optional[int] = None
    _users = 0

    def _adopt(self, pointer: Optional[int], free: Callable[[Optional[int]], int]) -> None:
        # `free` is kept here because the module's globals may be gone when an object dies with the interpreter.
        self._lock = threading.Lock()
        self._free = free
        self._pointer = pointer

    @contextmanager
    def _use(self) -> Iterator[Any]:
        with self._lock:
            pointer = self._pointer
            if pointer is None:
                raise InvalidArgument(f"the {self._kind} is closed")
            self._users += 1
        try:
            yield pointer
        finally:
            with self._lock:
                self._users -= 1

    def _get(self, function: Any, struct: Any, *arguments: Any) -> Any:
        """The struct that one of the library's `get` functions fills. What it points to is the handle's."""
        raw = _abi.new(struct)
        with self._use() as handle:
            check(function(handle, *arguments, ctypes.byref(raw)))
        return raw

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._pointer is None

    def close(self) -> None:
        """Gives the memory back. A second call does nothing. Raises Busy while the object is in use."""
        if self._pointer is None:
            return
        with self._lock:
            if self._users:
                raise Busy(f"the {self._kind} is in use")
            pointer, self._pointer = self._pointer, None
            if pointer is None:
                return
            status = self._free(pointer)
            if status < 0:
                self._pointer = pointer
                raise error(status)

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self.close()

    def __del__(self) -> None:
        # Nobody refers to the object any more, so nobody uses it: no lock, and nothing to tell anybody about.
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            self._free(pointer)

    def __reduce__(self) -> Any:
        raise TypeError(f"a {type(self).__name__} lives in this process only and cannot be pickled")
