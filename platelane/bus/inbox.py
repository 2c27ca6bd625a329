"""One subscription for the answers to all requests of a connection, where the client library's own takes one answer."""

from __future__ import annotations

from collections.abc import Callable

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import Header


class Inbox:
    """Answers, told apart by the last token of the subject they come to."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._prefix = client.new_inbox()
        self._expected: dict[str, Callable[[Msg], None]] = {}

    async def open(self) -> None:
        """Start listening, for the life of the connection."""
        await self._client.subscribe(f"{self._prefix}.*", cb=self._receive)

    def expect(self, on_answer: Callable[[Msg], None]) -> str:
        """A subject for one request; `on_answer` gets what comes there until it is forgotten."""
        subject = f"{self._prefix}.{self._client.new_inbox().rpartition('.')[2]}"
        self._expected[subject] = on_answer
        return subject

    def forget(self, subject: str) -> None:
        """Expect no more answers to this request."""
        self._expected.pop(subject, None)

    async def _receive(self, msg: Msg) -> None:
        if on_answer := self._expected.get(msg.subject):
            on_answer(msg)


def status(msg: Msg) -> str | None:
    """The status of a message that the server itself sent; None for a real one."""
    return msg.headers.get(Header.STATUS) if msg.headers and not msg.data else None
