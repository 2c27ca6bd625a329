"""All hooks and how they fare, known in every process within moments of a change.

They are kept in a bucket of NATS: `<id>` holds a hook, `<id>_health` how it fares. Whoever changes one says so on a
plain subject, and everybody reads the bucket again; should the word be lost, the next look comes soon anyway.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import structlog
from nats.errors import Error as NatsError
from pydantic import BaseModel, ConfigDict, ValidationError

from platelane.bus import Bus, subjects, topology
from platelane.bus.streams import Stream, counter
from platelane.errors import BadRequest, EngineUnavailable, NotFound
from platelane.hooks.hook import Hook, HookSettings, of_environment
from platelane.hooks.response import Response

log = structlog.get_logger(__name__)

MOST_HOOKS: Final = 200
RESPONSES: Final = 5
"""How many of a receiver's last failures are kept."""
DELIVERED: Final = "delivered"
DROPPED: Final = "dropped"
DEAD: Final = "dead"
COUNTS: Final = (DELIVERED, DROPPED, DEAD)

_LOOK_EVERY: Final = 10.0
_TRIES: Final = 20


class Health(BaseModel):
    """How a receiver fares: since when all requests fail, how many did, the last failures."""

    model_config = ConfigDict(frozen=True)

    failing_since: datetime | None = None
    failures: int = 0
    responses: tuple[Response, ...] = ()

    def after(self, failure: Response) -> Health:
        """With one more failure."""
        return Health(
            failing_since=self.failing_since or failure.at,
            failures=self.failures + 1,
            responses=(*self.responses, failure)[-RESPONSES:],
        )

    def recovered(self) -> Health:
        """After a success; the failures stay to be looked at."""
        return Health(responses=self.responses)


class Hooks:
    """The hooks that this process knows, and the way to change them for all."""

    def __init__(self, bus: Bus) -> None:
        """Use `open`."""
        self._bus = bus
        self._bucket = Stream(bus, topology.KV_HOOKS)
        self._counts = Stream(bus, topology.HOOK_COUNTS)
        self._environment = {hook.id: hook for hook in map(of_environment, bus.settings.webhook_targets)}
        self._hooks: dict[int, Hook] = dict(self._environment)
        self._health: dict[int, Health] = {}
        self._unreadable: set[int] = set()
        self._listeners: set[Callable[[], None]] = set()
        self._known = 0
        self._look = asyncio.Event()

    @classmethod
    async def open(cls, bus: Bus) -> Hooks:
        """Read all hooks and follow every change, for the life of the connection.

        Raises:
            EngineUnavailable: NATS does not answer.
            BadRequest: a target in PLATELANE_WEBHOOK_TARGETS is no web address.
        """
        hooks = cls(bus)
        await bus.subscribe(subjects.HOOKS_CHANGED, hooks._on_change)
        await hooks._read()
        bus.connection.on_reconnect(hooks._look.set)
        bus.connection.spawn(hooks._follow())
        return hooks

    def all(self) -> list[Hook]:
        """Every hook: those of the environment in their order, then the others by id."""
        others = sorted(self._hooks.keys() - self._environment.keys())
        return [self._hooks[number] for number in (*self._environment, *others)]

    def get(self, hook_id: int) -> Hook | None:
        """The hook with this id."""
        return self._hooks.get(hook_id)

    @property
    def numbers(self) -> set[int]:
        """The ids of all hooks there are, those that this version cannot read among them."""
        return self._unreadable | self._hooks.keys()

    def health(self, hook_id: int) -> Health:
        """How a hook fares."""
        return self._health.get(hook_id, Health())

    def image_wanted(self, camera_id: str, account: str) -> bool:
        """Whether any hook may send a picture of this camera."""
        return any(hook.wants_image and hook.concerns(camera_id, account) for hook in self._hooks.values())

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever hooks may have changed."""
        self._listeners.add(listener)

    async def create(self, owned: HookSettings, account: str) -> Hook:
        """A new hook; its id is never used again.

        Raises:
            BadRequest: there are too many.
        """
        if len(self._hooks) >= MOST_HOOKS:
            raise BadRequest(f"There are {MOST_HOOKS} webhooks already, which is the most.")
        number = await self._counts.add(subjects.hook_count("all", "created"), 1)
        hook = Hook(**owned.model_dump(), id=number, account=account)
        await self._put(hook, 0)
        return hook

    async def change(self, hook_id: int, change: Callable[[Hook], Hook]) -> Hook:
        """Change a hook; `change` is called again where somebody else did so at the same time.

        Raises:
            NotFound: there is no such hook (any more).
        """
        for _ in range(_TRIES):
            record = await self._bucket.get(subjects.hook(str(hook_id)))
            hook = Hook.model_validate_json(record.data) if record else self._environment.get(hook_id)
            if hook is None:
                raise NotFound("There is no such webhook.")
            changed = change(hook)
            if changed == hook or await self._put(changed, record.sequence if record else 0):
                return changed
        raise EngineUnavailable("The webhook is being changed by others.")

    async def delete(self, hook_id: int) -> None:
        """Forget a hook.

        Raises:
            BadRequest: it is one of the environment.
        """
        if hook_id in self._environment:
            raise BadRequest("This webhook is set by PLATELANE_WEBHOOK_TARGETS; it can be disabled, not deleted.")
        await self._bucket.purge(filter=subjects.hook(str(hook_id)))
        await self._bucket.purge(filter=subjects.hook(f"{hook_id}_health"))
        await self._counts.purge(filter=subjects.hook_count(str(hook_id), "*"))
        await self._tell(0)

    async def change_health(self, hook_id: int, change: Callable[[Health], Health]) -> Health:
        """Change how a hook fares, as `change` does the hook."""
        subject = subjects.hook(f"{hook_id}_health")
        for _ in range(_TRIES):
            record = await self._bucket.get(subject)
            health = Health.model_validate_json(record.data) if record else Health()
            changed = change(health)
            if changed == health:
                return changed
            data = changed.model_dump_json().encode()
            if sequence := await self._bucket.put(subject, data, record.sequence if record else 0):
                await self._tell(sequence)
                return changed
        raise EngineUnavailable("The webhook's health is being changed by others.")

    async def count(self, hook_id: int, what: str, amount: int = 1) -> None:
        """Count events of a hook that were `DELIVERED`, `DROPPED` or became `DEAD` letters."""
        await self._counts.add(subjects.hook_count(str(hook_id), what), amount)

    async def counts(self, hook_id: int) -> dict[str, int]:
        """What was counted."""
        found, _ = await self._counts.last(subjects.hook_count(str(hook_id), "*"))
        counted = {record.key: counter(record.data) for record in found}
        return {what: counted.get(what, 0) for what in COUNTS}

    async def _put(self, hook: Hook, expected: int) -> int | None:
        data = hook.model_dump_json().encode()
        if sequence := await self._bucket.put(subjects.hook(str(hook.id)), data, expected):
            await self._tell(sequence)
        return sequence

    async def _tell(self, sequence: int) -> None:
        """Everybody, ourselves first: who changed a hook sees it changed."""
        await self._read(sequence)
        with contextlib.suppress(NatsError):  # then they look by themselves
            await self._bus.client.publish(subjects.HOOKS_CHANGED, str(sequence).encode())

    async def _on_change(self, data: bytes) -> None:
        self._known = max(self._known, int(data))
        self._look.set()

    async def _follow(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY):
                    await self._look.wait()
            self._look.clear()
            try:
                await self._read()
            except EngineUnavailable as error:
                log.warning("hooks_not_read", error=error.detail)

    async def _read(self, at_least: int = 0) -> None:
        """Read the bucket from a replica that knows the changes we were told of."""
        self._known = max(self._known, at_least)
        for _ in range(_TRIES):
            records, known = await self._bucket.last(subjects.hook("*"))
            if known >= self._known or not records:
                break
            await asyncio.sleep(0.05)
        else:
            self._known = known  # NATS came back without its files
        stored: dict[int, Hook] = {}
        health: dict[int, Health] = {}
        unreadable: set[int] = set()
        for record in records:
            number, _, kind = record.key.partition("_")
            try:
                if kind:
                    health[int(number)] = Health.model_validate_json(record.data)
                else:
                    stored[int(number)] = Hook.model_validate_json(record.data)
            except (ValidationError, ValueError) as error:
                log.error("hook_cannot_be_read", key=record.key, error=str(error))
                if number.isdigit():
                    unreadable.add(int(number))
        ours = {number: hook for number, hook in stored.items() if not hook.from_environment}
        changed = {number: stored.get(number, hook) for number, hook in self._environment.items()}
        self._hooks, self._health, self._unreadable = ours | changed, health, unreadable
        for listener in tuple(self._listeners):
            listener()


def last_failures(health: Health) -> list[dict[str, Any]]:
    """The last failures, the newest first, for people."""
    return [json.loads(each.model_dump_json(exclude={"retry_after"})) for each in reversed(health.responses)]
