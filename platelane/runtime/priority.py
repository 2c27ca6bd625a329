"""Lowers the priority of processes whose work no caller waits for."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

_NICENESS: Final = 10
_AUTOGROUP: Final = Path("/proc/self/autogroup")


def step_back() -> None:
    """Lower the priority of this process below that of others on this machine.

    It still gets about a tenth of a busy processor. Linux groups processes by session unless something else groups
    them, and then the niceness of the group counts. A session led by another process is left alone.
    """
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):
            _AUTOGROUP.write_text(str(_NICENESS))
