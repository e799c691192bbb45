# SPDX-License-Identifier: Apache-2.0
"""Finds and loads libuldor.so, the C library that this package calls."""
from __future__ import annotations

import ctypes
import os
from typing import List

ABI_VERSION = 0
FILE_NAME = f"libuldor.so.{ABI_VERSION}"
ENVIRONMENT_VARIABLE = "ULDOR_LIBRARY"


def candidates() -> List[str]:
    """Where the library may lie, best first: a file named by ULDOR_LIBRARY, and then only that; the copy in the
    wheel; build/lib of the source checkout that this file lies in; wherever the system's loader looks."""
    explicit = os.environ.get(ENVIRONMENT_VARIABLE)
    if explicit:
        return [explicit]
    package = os.path.dirname(os.path.realpath(__file__))
    found = [os.path.join(package, FILE_NAME)]
    checkout = os.path.abspath(os.path.join(package, *[os.pardir] * 4))
    if os.path.isfile(os.path.join(checkout, "include", "uldor.h")):
        found.append(os.path.join(checkout, "build", "lib", FILE_NAME))
    return found + [FILE_NAME]


def load() -> ctypes.CDLL:
    """Loads the first candidate that is there.

    Raises ImportError, with every place that was tried and why it was no use, when there is none, and when the
    library's binary interface is not the one that this package was written for.
    """
    tried = []
    for candidate in candidates():
        # A path that does not exist is told apart from a library that is there and cannot be loaded: the second
        # is most often a missing libomp.so.5, and the loader's words say so.
        if os.sep in candidate and not os.path.exists(candidate):
            tried.append(f"{candidate}: no such file")
            continue
        try:
            library = ctypes.CDLL(candidate)
            library.uldor_abi_version.restype = ctypes.c_int32
            version = library.uldor_abi_version()
        except (OSError, AttributeError) as error:
            tried.append(f"{candidate}: {error}")
            continue
        if version != ABI_VERSION:
            raise ImportError(f"{candidate} has binary interface {version}; this package needs {ABI_VERSION}")
        return library
    raise ImportError(
        "libuldor was not found. Build it (make), install the wheel, or let the environment variable "
        f"{ENVIRONMENT_VARIABLE} name the file. Tried:\n  " + "\n  ".join(tried))
