# SPDX-License-Identifier: Apache-2.0
"""Python functions that C calls."""
from __future__ import annotations

import threading
from typing import Any, Callable, Optional

from . import _abi

#: Called with a level (1 warning, 2 info) and one line.
Log = Callable[[int, str], None]


def log_callback(log: Optional[Log]) -> Any:
    """The C callback for `log`; a null one where there is none. The caller keeps it alive."""
    if log is None:
        return _abi.log_fn()
    receive = log
    return _abi.log_fn(lambda user, level, message: receive(level, message.decode("utf-8", "replace")))


class Guard:
    """Keeps what guarded functions raise, on each thread the last: no exception can pass through C."""

    def __init__(self) -> None:
        self._thread = threading.local()
        #: What was raised last on any thread.
        self.latest: Optional[BaseException] = None

    def __call__(self, function: Callable[..., Any]) -> Callable[..., int]:
        """`function` without C's first argument, the user's pointer. 1, which ends the call, where it returns something true or
        raises; else 0."""
        def call(user: Optional[int], *arguments: Any) -> int:
            try:
                return 1 if function(*arguments) else 0
            except BaseException as exception:
                self._thread.raised = self.latest = exception
                return 1

        return call

    def take(self) -> Optional[BaseException]:
        """What was raised on this thread, once."""
        exception: Optional[BaseException] = getattr(self._thread, "raised", None)
        self._thread.raised = self.latest = None
        return exception

    def reraise(self) -> None:
        """Raises what was raised on this thread during the call that is over now."""
        exception = self.take()
        if exception is not None:
            raise exception
