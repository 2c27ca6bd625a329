"""One subscription for the answers to all requests of a connection.

The client library has one too, but it takes a single answer, and its requests outlive the connection they were sent on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import NoRespondersError, StaleConnectionError
from nats.js.api import Header, StatusCode


class Inbox:
    """Answers, told apart by the last token of the subject they come to."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._prefix = client.new_inbox()
        self._expected: dict[str, Callable[[Msg], None]] = {}
        self._waiting: set[asyncio.Future[Msg]] = set()

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

    async def request(self, subject: str, data: bytes, headers: dict[str, str], timeout: float) -> Msg:
        """Send a request and wait for its one answer.

        Raises:
            NoRespondersError: nobody listens on the subject.
            StaleConnectionError: the connection broke; the request may or may not have arrived.
            TimeoutError: no answer in `timeout` seconds.
        """
        answer: asyncio.Future[Msg] = asyncio.get_running_loop().create_future()
        answer_to = self.expect(lambda msg: None if answer.done() else answer.set_result(msg))
        self._waiting.add(answer)
        try:
            async with asyncio.timeout(timeout):
                await self._client.publish(subject, data, reply=answer_to, headers=headers)
                msg = await answer
        finally:
            self._waiting.discard(answer)
            self.forget(answer_to)
        if status(msg) == StatusCode.SERVICE_UNAVAILABLE:
            raise NoRespondersError
        return msg

    def disconnected(self) -> None:
        """Nobody waits any longer for an answer that went with the connection."""
        for answer in self._waiting:
            if not answer.done():
                answer.set_exception(StaleConnectionError())

    async def _receive(self, msg: Msg) -> None:
        if on_answer := self._expected.get(msg.subject):
            on_answer(msg)


def status(msg: Msg) -> str | None:
    """The status of a message that the server itself sent; None for a real one."""
    return msg.headers.get(Header.STATUS) if msg.headers and not msg.data else None
