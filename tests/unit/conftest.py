"""Unit tests do no I/O: no network and no other process. They may read the files that the project ships."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

_FORBIDDEN = frozenset({"socket.connect", "socket.bind", "subprocess.Popen", "os.posix_spawn"})
"""Audit events (PEP 578). The workers of the training loop fork and share tensors through sockets with a path as
address, which are let pass."""
_refusing = False


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if (
        _refusing
        and event in _FORBIDDEN
        and not (event.startswith("socket.") and isinstance(arguments[1], str | bytes))
    ):
        raise AssertionError(f"a unit test does I/O: {event}")


sys.addaudithook(_audit)  # it cannot be removed, so a flag turns it on and off


@pytest.fixture(autouse=True)
def _no_io() -> Iterator[None]:
    global _refusing
    _refusing = True
    yield
    _refusing = False
