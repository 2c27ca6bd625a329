"""Who gets the processor where there is not enough of it for everybody."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

_NICENESS: Final = 10
_AUTOGROUP: Final = Path("/proc/self/autogroup")


def step_back() -> None:
    """Let the other processes of this machine go first: this one has work that nobody waits for.

    About a tenth of a busy processor is left to it. Linux groups processes by session where nothing else groups them,
    and then it is the group's niceness that counts; a session that others lead is theirs, and left as it is.
    """
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):
            _AUTOGROUP.write_text(str(_NICENESS))
