"""What went wrong, in the words that libraries have for it, without their numbers, names of calls and file names."""

from __future__ import annotations

import os
import re
import ssl
from typing import Final

_MARKS: Final = re.compile(r"^\[[^\]]+\] | \(_ssl\.c:\d+\)$|^nats: |\.$")


def reason(problem: BaseException | None) -> str:
    """In a few words, which may go on a sentence; empty where there is no problem."""
    if problem is None:
        return ""
    # an error of TLS, or of a name, is one of the system by its class, and has numbers of its own
    if isinstance(problem, OSError) and not isinstance(problem, ssl.SSLError) and (problem.errno or 0) > 0:
        return os.strerror(problem.errno or 0)
    text = str((problem.strerror if isinstance(problem, OSError) else None) or problem)
    return _MARKS.sub("", text).strip("'") or type(problem).__name__
