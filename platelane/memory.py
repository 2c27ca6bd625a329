"""How a service handles memory: what one picture took is there for the next, and what lives for ever is left alone."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_KEPT: Final = 64 << 20
_LARGEST_KEPT: Final = 16 << 20
"""A picture of five million pixels, decoded; larger ones go back to the system at once."""


def keep() -> None:
    """Have glibc keep freed memory, up to a limit, and Python's collector skip all that is there now.

    By its own rule glibc gives back what a decoded picture took, and takes it anew for the next, page by page: a fifth
    of the detector's time. To be called once everything is imported and before threads are started.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)
        mallopt(_M_ARENA_MAX, 2)
    gc.collect()
    gc.freeze()
