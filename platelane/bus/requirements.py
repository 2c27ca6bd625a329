"""The streams and consumers that a service needs, checked when it starts and whenever NATS may have lost them.

A service creates none of them: it logs what is missing and the command that fixes it, and waits.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog
from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError

from platelane.bus import topology
from platelane.bus.connection import Connection
from platelane.bus.topology import Consumer, Version
from platelane.runtime.settings import Settings

log = structlog.get_logger(__name__)

REMEDY: Final = "platelane topology apply"
"""The command that creates what is missing."""

_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 3.0
_ASK_PATIENCE: Final = 2.0


@dataclass(frozen=True, slots=True)
class _Problem:
    text: str
    certain: bool = True
    """False if NATS merely did not answer."""


class Requirements:
    """The streams and consumers that one service cannot work without."""

    def __init__(self, connection: Connection, settings: Settings, required: tuple[str | Consumer, ...]) -> None:
        self._connection = connection
        self._subjects = [each for one in required for each in _subjects(one, settings)]
        self._met = asyncio.Event()
        self._checking: asyncio.Lock = asyncio.Lock()

    @property
    def met(self) -> bool:
        """Whether nothing was missing at the last check."""
        return self._met.is_set()

    async def problems(self) -> list[str]:
        """Descriptions of what is missing or has the wrong version now, and of what NATS did not answer about."""
        return [problem.text for problem in await self._problems()]

    async def wait(self) -> None:
        """Return once nothing is missing, however long that takes; what is missing is logged once."""
        async with self._checking:
            logged: list[str] = []
            pause = _FIRST_PAUSE
            while problems := await self._problems():
                certain = [problem.text for problem in problems if problem.certain]
                if certain:  # a server that is slow to answer has not lost anything
                    self._met.clear()
                    if certain != logged:
                        log.error("topology_not_ready", problems=certain, remedy=REMEDY)
                        logged = certain
                else:
                    log.info("topology_not_known", problems=[problem.text for problem in problems])
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            self._met.set()
            if logged:
                log.info("topology_ready")

    def recheck(self) -> None:
        """Check again in the background, because the server may have come back without its files."""
        if not self._checking.locked():
            self._connection.spawn(self.wait())

    async def _problems(self) -> list[_Problem]:
        found = await asyncio.gather(*(self._problem(what, subject) for what, subject in self._subjects))
        return [problem for problem in found if problem]

    async def _problem(self, what: str, subject: str) -> _Problem | None:
        try:
            info = await self._connection.ask_once(subject, b"", _ASK_PATIENCE)
        except NotFoundError:
            return _Problem(f"{what} is missing")
        except (NatsError, TimeoutError) as error:
            return _Problem(f"NATS did not answer about {what}: {str(error) or type(error).__name__}", certain=False)
        found = Version.of(info["config"].get("metadata"))
        if found.number < topology.VERSION:
            return _Problem(f"{what} is of version {found.number}; this service needs {topology.VERSION}")
        if found.oldest_service > topology.VERSION:
            return _Problem(
                f"{what} is of version {found.number}, for services of version {found.oldest_service} and newer; this "
                f"one is of version {topology.VERSION}: upgrade it, or go back with {REMEDY} --force"
            )
        return None


def _subjects(required: str | Consumer, settings: Settings) -> list[tuple[str, str]]:
    """What to check: its description, and the subject of the request."""
    if isinstance(required, Consumer):
        return [
            (f"consumer {each.name} of {each.stream}", f"$JS.API.CONSUMER.INFO.{each.stream}.{each.name}")
            for each in required.partitions(settings)
        ]
    return [(f"stream {name}", f"$JS.API.STREAM.INFO.{name}") for name in topology.partitions(required, settings)]
