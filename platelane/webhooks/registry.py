"""All hooks, stored by id in a bucket of NATS, and mirrored in every process within moments of a change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from platelane.bus import Bus, subjects, topology
from platelane.bus.mirror import Mirror
from platelane.bus.streams import counter
from platelane.errors import BadRequest, EngineUnavailable, NotFound, Overloaded
from platelane.webhooks.hook import Hook, HookSettings, of_environment

MOST_HOOKS: Final = 200
"""Limit per account; each hook has its own stream."""
MOST_WORDS: Final = 200_000
"""Limit of all filters of an account together."""
MOST_OF_ALL: Final = 1_000
DELIVERED: Final = "delivered"
DROPPED: Final = "dropped"
DEAD: Final = "dead"
COUNTS: Final = (DELIVERED, DROPPED, DEAD)

_TRIES: Final = 20


class HookRegistry:
    """The hooks that this process knows, and operations to change them for all processes."""

    def __init__(self, bus: Bus) -> None:
        """Use `open`."""
        self.bus = bus
        self._bucket = bus.stream(topology.KV_HOOKS)
        self._mirror = Mirror(bus, topology.HOOKS, Hook.model_validate_json, str.isdigit)
        self._counts = bus.stream(topology.HOOK_COUNTS)
        self._environment = {hook.id: hook for hook in map(of_environment, bus.settings.webhook_targets)}
        self._hooks: dict[int, Hook] = dict(self._environment)
        self._mirror.on_change(self._refresh)

    @classmethod
    async def open(cls, bus: Bus) -> HookRegistry:
        """Read all hooks and follow every change, for the life of the connection.

        Raises:
            EngineUnavailable: NATS does not answer.
            BadRequest: a target in PLATELANE_WEBHOOK_TARGETS is not a web address.
        """
        hooks = cls(bus)
        await hooks._mirror.start()
        return hooks

    def all(self) -> list[Hook]:
        """All hooks: those of the environment in their order, then the others by id."""
        others = sorted(self._hooks.keys() - self._environment.keys())
        return [self._hooks[number] for number in (*self._environment, *others)]

    def get(self, hook_id: int) -> Hook | None:
        """The hook with this id."""
        return self._hooks.get(hook_id)

    @property
    def numbers(self) -> set[int]:
        """The ids of all hooks, including those that this version cannot read."""
        return {int(key) for key in self._mirror.names() if key.isdigit()} | self._hooks.keys()

    def image_wanted(self, camera_id: str, account: str) -> bool:
        """Whether any hook may send a picture of this camera."""
        return any(hook.wants_image and hook.concerns(camera_id, account) for hook in self._hooks.values())

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever hooks may have changed."""
        self._mirror.on_change(listener)

    async def create(self, owned: HookSettings, account: str) -> Hook:
        """Create a hook; its id is never reused.

        Raises:
            BadRequest: the account has too many hooks.
            Overloaded: too little is left of the room for all accounts.
        """
        async with self._mirror.changing():
            self._check_number(account)
            self._check_words(account, 0, owned.filter.words)
            number = await self._counts.add(subjects.hook_count("all", "created"), 1)
            hook = Hook(**owned.model_dump(), id=number, account=account)
            await self._put(hook, 0)
        return hook

    async def change(self, hook_id: int, change: Callable[[Hook], Hook]) -> Hook:
        """Change a hook; `change` is called again after a concurrent change.

        Raises:
            NotFound: the hook does not exist (any more).
            BadRequest: the account's filters would be too large.
        """
        for _ in range(_TRIES):
            record = await self._bucket.get(subjects.entry(topology.HOOKS, str(hook_id)))
            stored = Hook.model_validate_json(record.data) if record and record.data else None
            hook = stored or self._environment.get(hook_id)
            if hook is None:
                raise NotFound("There is no such webhook.")
            changed = change(hook)
            async with self._mirror.changing():
                if changed.filter.words > hook.filter.words:
                    self._check_words(hook.account, hook.id, changed.filter.words)
                if changed == hook or await self._put(changed, record.sequence if record else 0):
                    return changed
        raise EngineUnavailable("The webhook is being changed by others.")

    async def delete(self, hook_id: int) -> None:
        """Delete a hook.

        Raises:
            BadRequest: it is set by the environment.
        """
        if hook_id in self._environment:
            raise BadRequest("This webhook is set by PLATELANE_WEBHOOK_TARGETS; it can be disabled, not deleted.")
        await self._mirror.delete(str(hook_id))
        await self._counts.purge(filter=subjects.hook_count(str(hook_id), "*"))

    async def count(self, hook_id: int, what: str, amount: int = 1, message_id: str = "") -> None:
        """Count events of a hook that were `DELIVERED`, `DROPPED` or became `DEAD` letters, once per `message_id`.

        Raises:
            EngineUnavailable, Overloaded: as `Stream.add`.
        """
        await self._counts.add(subjects.hook_count(str(hook_id), what), amount, message_id)

    async def counts(self, hook_id: int) -> dict[str, int]:
        """The counts of a hook's events."""
        found, _ = await self._counts.last(subjects.hook_count(str(hook_id), "*"))
        counted = {record.key: counter(record.data) for record in found}
        return {what: counted.get(what, 0) for what in COUNTS}

    def _check_number(self, account: str) -> None:
        """Raises BadRequest or Overloaded if the account may have no further hook.

        An account may have no more than half as many as there is room for, so that there is always room for others
        (dynamic thresholds, Choudhury and Hahne 1998).
        """
        owned = sum(hook.account == account for hook in self._hooks.values())
        if owned >= MOST_HOOKS:
            raise BadRequest(f"The limit of {MOST_HOOKS} webhooks is reached; delete one first.")
        if owned >= (MOST_OF_ALL - len(self._hooks)) / 2:
            raise Overloaded(
                f"Few of the server's {MOST_OF_ALL} places for webhooks are left; delete one of yours first."
            )

    def _check_words(self, account: str, hook_id: int, words: int) -> None:
        """Raises BadRequest if the filters of the account would have too many words, with `words` for this hook."""
        others = (hook for hook in self._hooks.values() if hook.account == account and hook.id != hook_id)
        if words + sum(hook.filter.words for hook in others) > MOST_WORDS:
            raise BadRequest(f"The limit of {MOST_WORDS} cameras, patterns and plates in all filters is reached.")

    async def _put(self, hook: Hook, expected: int) -> bool:
        # so that versions without watch-lists can read hooks that use none
        unused = None if hook.filter.watchlists else {"filter": {"watchlists"}}
        return await self._mirror.put(str(hook.id), hook.model_dump_json(exclude=unused).encode(), expected)

    def _refresh(self) -> None:
        stored = {hook.id: hook for _, hook in self._mirror.items()}
        ours = {number: hook for number, hook in stored.items() if not hook.from_environment}
        changed = {number: stored.get(number, hook) for number, hook in self._environment.items()}
        self._hooks = ours | changed
