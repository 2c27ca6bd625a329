"""Messages of libraries, as shown to people."""

from __future__ import annotations

import errno
import socket
import ssl

import pytest
from nats.errors import Error as NatsError

from platelane.reasons import reason


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (None, ""),
        (FileExistsError(errno.EEXIST, "File exists", "/x"), "File exists"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)"), "Connection refused"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (OSError("[Errno -2] Name or service not known"), "Name or service not known"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)"), "wrong version number"),
        (
            ValueError("[SSL: X] certificate verify failed: self-signed (_ssl.c:1)"),
            "certificate verify failed: self-signed",
        ),
        (NatsError("nats: 'Authorization Violation'"), "Authorization Violation"),
        (ValueError("Something."), "Something"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_reasons_are_words(problem: BaseException | None, words: str) -> None:
    assert reason(problem) == words
