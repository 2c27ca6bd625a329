"""One outstanding pull request: the next message arrives the moment the server has one."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Final

import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.js.api import Header, StatusCode

from platelane.bus.connection import Bus
from platelane.bus.topology import Consumer

log = structlog.get_logger(__name__)

_EXPIRES: Final = 30.0
_HEARTBEAT: Final = 5.0
_REQUEST: Final = json.dumps(
    {"batch": 1, "expires": int(_EXPIRES * 1e9), "idle_heartbeat": int(_HEARTBEAT * 1e9)}
).encode()
_PAUSE: Final = 0.2


class Pull:
    """Messages of a consumer, one at a time, on an inbox that lives as long as this object.

    The client library's own fetch sets up a subscription and timers for every batch; here a message costs one small
    request and nothing is polled.
    """

    def __init__(self, bus: Bus, consumer: Consumer) -> None:
        self._bus = bus
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{consumer.stream}.{consumer.name}"
        self._inbox = bus.new_inbox()
        self._arrived: asyncio.Queue[Msg | None] = asyncio.Queue()
        self._subscription: Subscription | None = None
        self._end_listening = bus.on_reconnect(lambda: self._arrived.put_nowait(None))

    async def next(self) -> Msg:
        """The next message, however long it takes."""
        if self._subscription is None:
            self._subscription = await self._bus.client.subscribe(self._inbox, cb=self._receive)
        while True:
            if self._arrived.empty():
                await self._bus.online()
                with contextlib.suppress(NatsError):
                    await self._bus.client.publish(self._subject, _REQUEST, reply=self._inbox)
            if message := await self._answer():
                return message

    async def close(self) -> list[Msg]:
        """Stop pulling; returns the messages that came in the meantime, for others to have."""
        self._end_listening()
        if self._subscription is not None:
            with contextlib.suppress(NatsError):
                await self._subscription.drain()  # type: ignore[no-untyped-call]
        left = [self._arrived.get_nowait() for _ in range(self._arrived.qsize())]
        return [message for message in left if message is not None and _status(message) is None]

    async def _receive(self, message: Msg) -> None:
        self._arrived.put_nowait(message)

    async def _answer(self) -> Msg | None:
        """The message that answers the request, or None when the request is over without one."""
        while True:
            try:
                async with asyncio.timeout(2 * _HEARTBEAT):
                    message = await self._arrived.get()
            except TimeoutError:
                return None
            if message is None:
                return None
            match _status(message):
                case None:
                    return message
                case StatusCode.CONTROL_MESSAGE:
                    continue
                case StatusCode.NO_MESSAGES | StatusCode.REQUEST_TIMEOUT:
                    return None
                case status:
                    log.debug("pull_refused", status=status, headers=message.headers)
                    await asyncio.sleep(_PAUSE)
                    return None


def _status(message: Msg) -> str | None:
    return message.headers.get(Header.STATUS) if message.headers and not message.data else None
