"""Short descriptions of problems, from the messages of libraries without their error numbers and internal names."""

from __future__ import annotations

import os
import re
import ssl
from typing import Final

_MARKS: Final = re.compile(r"^\[[^\]]+\] | \(_ssl\.c:\d+\)$|^nats: |\.$")


def first_cause(error: BaseException) -> BaseException:
    """What the operating system said, which libraries hide behind errors of their own."""
    while (behind := error.__cause__ or error.__context__) is not None:
        error = behind.exceptions[0] if isinstance(behind, BaseExceptionGroup) else behind
    return error


def reason(problem: BaseException | None) -> str:
    """A short description that fits into a sentence; empty if there is no problem."""
    if problem is None:
        return ""
    # errors of TLS and of name resolution are OSErrors too, but their numbers are not those of the system
    if isinstance(problem, OSError) and not isinstance(problem, ssl.SSLError) and (problem.errno or 0) > 0:
        return os.strerror(problem.errno or 0)
    text = str((problem.strerror if isinstance(problem, OSError) else None) or problem)
    return _MARKS.sub("", text).strip("'") or type(problem).__name__
