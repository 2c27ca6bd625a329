"""Keeps one pull request outstanding, so the next message arrives as soon as the server has one."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Final, Self

import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.js.api import StatusCode

from platelane.bus.client import Bus
from platelane.bus.inbox import status
from platelane.bus.topology import Consumer

log = structlog.get_logger(__name__)

_EXPIRES: Final = 30.0
_HEARTBEAT: Final = 5.0
_REQUEST: Final = json.dumps(
    {"batch": 1, "expires": int(_EXPIRES * 1e9), "idle_heartbeat": int(_HEARTBEAT * 1e9)}
).encode()
_ACKNOWLEDGE_AND_NEXT: Final = b"+NXT " + _REQUEST
_PAUSE: Final = 0.2


class Pull:
    """Messages of a consumer, one at a time, on an inbox that lives as long as this object.

    The client library's own fetch sets up timers and tasks for every batch. Here, the acknowledgement of a message asks
    for the next one, without polling.
    """

    def __init__(
        self,
        bus: Bus,
        consumer: Consumer,
        hand_back: Callable[[Msg], Awaitable[None]],
        missing: Callable[[], None] | None = None,
        *,
        eager: bool = True,
    ) -> None:
        """`hand_back` returns messages that arrive after the end. `eager`: acknowledging a message asks for the next.

        `missing` is called repeatedly while the consumer does not exist; by default the bus checks its requirements.
        """
        self._bus = bus
        self._hand_back = hand_back
        self._eager = eager
        self._missing = missing or bus.requirements.recheck
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{consumer.stream}.{consumer.name}"
        self._inbox = bus.new_inbox()
        self._arrived: asyncio.Queue[Msg | None] = asyncio.Queue()
        self._asked = False
        self._stopped = False
        self._subscription: Subscription | None = None

    async def __aenter__(self) -> Self:
        self._subscription = await self._bus.client.subscribe(self._inbox, cb=self._receive)
        self._bus.connection.on_reconnect(self._wake)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Messages that arrive too late go to other workers."""
        self._bus.connection.off_reconnect(self._wake)
        with contextlib.suppress(NatsError, TimeoutError):
            if self._subscription is not None:
                await self._subscription.drain()  # type: ignore[no-untyped-call]
            while not self._arrived.empty():
                message = self._arrived.get_nowait()
                if message is not None and status(message) is None:
                    await self._hand_back(message)

    async def next(self) -> Msg | None:
        """The next message, however long it takes; None after `stop`."""
        while not self._stopped:
            if self._arrived.empty() and self._bus.connected and not self._asked:
                await self._bus.client.publish(self._subject, _REQUEST, reply=self._inbox)
            message, self._asked = await self._answer(), False
            if message:
                return message
        return None

    async def acknowledge(self, message: Msg) -> None:
        """Acknowledge a handled message, and ask for the next one in the same request if this is eager."""
        if self._stopped or not self._eager or not self._arrived.empty():
            await message.ack()
            return
        await self._bus.client.publish(message.reply, _ACKNOWLEDGE_AND_NEXT, reply=self._inbox)
        self._asked = True

    def stop(self) -> None:
        """Make `next` return None."""
        self._stopped = True
        self._wake()

    def _wake(self) -> None:
        self._arrived.put_nowait(None)

    async def _receive(self, message: Msg) -> None:
        self._arrived.put_nowait(message)

    async def _answer(self) -> Msg | None:
        """The message that answers the request, or None if the request ends without one."""
        while True:
            try:
                async with asyncio.timeout(2 * _HEARTBEAT):
                    message = await self._arrived.get()
            except TimeoutError:
                return None
            if message is None:
                return None
            match status(message):
                case None:
                    return message
                case StatusCode.CONTROL_MESSAGE:
                    continue
                case StatusCode.NO_MESSAGES | StatusCode.REQUEST_TIMEOUT:
                    return None
                case refusal:
                    log.debug("pull_refused", status=refusal, headers=message.headers)
                    if refusal == StatusCode.SERVICE_UNAVAILABLE:
                        self._missing()
                    await asyncio.sleep(_PAUSE)
                    return None
