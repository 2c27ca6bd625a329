"""One subscription for the answers to all requests of a connection.

The client library has one too, but it only accepts single answers, and its requests outlive their connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import MaxPayloadError, NoRespondersError, StaleConnectionError
from nats.js.api import Header, StatusCode


class Inbox:
    """Sends requests, and matches answers to them by the last token of the answer's subject."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._prefix = ""
        self._expected: dict[str, Callable[[Msg], None]] = {}
        self._waiting: set[asyncio.Future[None]] = set()

    async def open(self) -> None:
        """Start listening, for the life of the connection."""
        self._prefix = self._client.new_inbox()  # its prefix is only known once connected
        await self._client.subscribe(f"{self._prefix}.*", cb=self._receive)

    async def request(self, subject: str, data: bytes, headers: dict[str, str] | None, timeout: float) -> Msg:
        """Send a request and wait for its one answer. Raises as `gather`."""
        (answer,) = await self.gather(subject, data, headers, timeout, lambda _: True)
        return answer

    async def gather(
        self,
        subject: str,
        data: bytes,
        headers: dict[str, str] | None,
        timeout: float,
        is_last: Callable[[Msg], bool],
    ) -> list[Msg]:
        """Send a request and wait for all its answers.

        Raises:
            MaxPayloadError: the message is so large that the server would close the connection.
            NoRespondersError: the subject has no subscriber.
            StaleConnectionError: the connection broke; the request may or may not have arrived.
            TimeoutError: not all answers came in `timeout` seconds.
        """
        if len(data) + _size(headers) > self._client.max_payload:
            raise MaxPayloadError
        answers: list[Msg] = []
        complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def on_answer(answer: Msg) -> None:
            if complete.done():  # two servers may both believe that they are the leader, and answer
                return
            answers.append(answer)
            if is_last(answer):
                complete.set_result(None)

        answer_to = f"{self._prefix}.{self._client.new_inbox().rpartition('.')[2]}"
        self._expected[answer_to] = on_answer
        self._waiting.add(complete)
        try:
            async with asyncio.timeout(timeout):
                await self._client.publish(subject, data, reply=answer_to, headers=headers)
                await complete
        finally:
            self._waiting.discard(complete)
            del self._expected[answer_to]
        if status(answers[-1]) == StatusCode.SERVICE_UNAVAILABLE:
            raise NoRespondersError
        return answers

    def disconnected(self) -> None:
        """End all requests: their answers were lost with the connection."""
        for complete in self._waiting:
            if not complete.done():
                complete.set_exception(StaleConnectionError())

    async def _receive(self, msg: Msg) -> None:
        if on_answer := self._expected.get(msg.subject):
            on_answer(msg)


def _size(headers: dict[str, str] | None) -> int:
    """Bytes of the headers on the wire, which count towards the server's limit but not the client library's."""
    if not headers:
        return 0
    lines = sum(len(f"{name}: {value}\r\n".encode()) for name, value in headers.items())
    return len(b"NATS/1.0\r\n") + lines + len(b"\r\n")


def status(msg: Msg) -> str | None:
    """The status of a message that the server itself sent; None for any other message."""
    return msg.headers.get(Header.STATUS) if msg.headers and not msg.data else None
