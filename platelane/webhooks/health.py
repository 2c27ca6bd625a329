"""The health of receivers. It is stored in a separate bucket without mirrors, so failures wake no other process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from platelane.bus import Bus, subjects, topology
from platelane.errors import EngineUnavailable
from platelane.webhooks.response import Response

RESPONSES: Final = 5
"""How many of a receiver's last failures are kept."""
TELLING: Final = 5
"""A receiver is said to reject a kind of event once so many have failed and none has been delivered."""
_TRIES: Final = 20


class Tally(BaseModel):
    """The numbers of successful and failed requests."""

    model_config = ConfigDict(frozen=True)

    delivered: int = 0
    failed: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(delivered=self.delivered + other.delivered, failed=self.failed + other.failed)


@dataclass(slots=True)
class Observations:
    """Observations of a receiver since its health was last stored."""

    succeeded: bool = False
    """Failures before the last success are only kept in the tallies."""
    failures: int = 0
    failing_since: datetime | None = None
    responses: list[Response] = field(default_factory=list)
    tallies: dict[bool, Tally] = field(default_factory=lambda: {True: Tally(), False: Tally()})
    """By whether the event had a plate."""

    def add(self, response: Response, *, with_plate: bool) -> None:
        """Add the result of a request."""
        if response.is_success:
            self.tallies[with_plate] += Tally(delivered=1)
            self.succeeded, self.failures, self.failing_since = True, 0, None
            return
        self.tallies[with_plate] += Tally(failed=1)
        self.failures += 1
        self.failing_since = self.failing_since or response.at
        self.responses = [*self.responses, response][-RESPONSES:]


class HookHealth(BaseModel):
    """A receiver's health: since when and how many requests have failed, the last failures, and which events fail."""

    model_config = ConfigDict(frozen=True)

    failing_since: datetime | None = None
    failures: int = 0
    responses: tuple[Response, ...] = ()
    with_plate: Tally = Tally()
    without_plate: Tally = Tally()

    def after(self, observed: Observations) -> HookHealth:
        """The health after further observations."""
        before = HookHealth() if observed.succeeded else self
        return HookHealth(
            failing_since=before.failing_since or observed.failing_since,
            failures=before.failures + observed.failures,
            responses=(*self.responses, *observed.responses)[-RESPONSES:],
            with_plate=self.with_plate + observed.tallies[True],
            without_plate=self.without_plate + observed.tallies[False],
        )

    @property
    def fails_without_plate(self) -> bool:
        """Whether the receiver rejects events without a plate, and only these."""
        fails = self.without_plate.failed >= TELLING and not self.without_plate.delivered
        return fails and self.with_plate.delivered > 0

    @property
    def last_failures(self) -> list[dict[str, Any]]:
        """The last failures, newest first, for people."""
        return [json.loads(each.model_dump_json(exclude={"retry_after"})) for each in reversed(self.responses)]


class HealthStore:
    """The health of all hooks. Every method raises EngineUnavailable if NATS does not answer."""

    def __init__(self, bus: Bus) -> None:
        self._bucket = bus.stream(topology.KV_HOOK_HEALTH)

    async def get(self, hook_id: int) -> HookHealth:
        """The health of a hook."""
        record = await self._bucket.get(subjects.hook_health(hook_id))
        return HookHealth.model_validate_json(record.data) if record else HookHealth()

    async def change(self, hook_id: int, change: Callable[[HookHealth], HookHealth]) -> tuple[HookHealth, HookHealth]:
        """Change the health of a hook, safely with concurrent changes; returns the health before and after."""
        subject = subjects.hook_health(hook_id)
        for _ in range(_TRIES):
            record = await self._bucket.get(subject)
            before = HookHealth.model_validate_json(record.data) if record else HookHealth()
            after = change(before)
            data = after.model_dump_json().encode()
            if after == before or await self._bucket.put(subject, data, record.sequence if record else 0):
                return before, after
        raise EngineUnavailable("The webhook's health is being changed by others.")

    async def delete(self, hook_id: int) -> None:
        """Delete the health of a hook."""
        await self._bucket.purge(filter=subjects.hook_health(hook_id))
