"""Creates and updates streams and consumers as `topology` defines them. Only `platelane topology apply` runs it.

It is idempotent, and several processes may run it at once. Streams come first and consumers last, so the existence of a
consumer of this version implies that of all streams of this version.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

from nats.errors import Error as NatsError
from nats.js.api import ConsumerConfig, StreamConfig
from nats.js.errors import APIError, NotFoundError, ServiceUnavailableError

from platelane.bus import leaders, topology
from platelane.bus.connection import Connection
from platelane.errors import EngineUnavailable, Fault
from platelane.runtime.settings import Settings

T = TypeVar("T")

PATIENCE: Final = 10.0
"""Seconds that each stream and consumer may take."""

_REQUEST_PATIENCE: Final = 3.0
_PAUSE: Final = 0.2
_STREAM_NAME_TAKEN: Final = 10058
_NO_PEERS: Final = 10005
"""The error of a cluster that has too few servers for a stream's copies, as after its start, or while a server is
replaced."""
_MOST_REPLICAS: Final = 5
_DURATIONS: Final = frozenset({"max_age", "duplicate_window", "ack_wait"})
"""Fields in nanoseconds."""


class Action(StrEnum):
    """What was done with a stream or consumer."""

    MADE = "made"
    CHANGED = "changed"
    LEFT = "left"
    """It already was as it should be."""
    MOVED = "moved"
    REMOVED = "removed"
    UNUSED = "unused"
    """It is a partition that these settings do not use."""


@dataclass(frozen=True, slots=True)
class Change:
    """What was done with one stream or consumer, and the differences."""

    action: Action
    what: str
    details: tuple[str, ...] = ()


async def apply(
    connection: Connection,
    settings: Settings,
    *,
    force: bool = False,
    prune: bool = False,
    patience: float = PATIENCE,
) -> list[Change]:
    """Create or update every stream and consumer; returns what was done, in order.

    `force` replaces the topology of a newer version; `prune` removes partitions that are no longer used.

    Raises:
        EngineUnavailable: JetStream did not answer for `patience` seconds.
        Fault: the server refuses a definition for good, or the existing topology is of a newer version.
    """
    manager = _Manager(connection, patience)
    if not force:
        await _refuse_downgrade(manager)
    changes = [await manager.stream(config) for config in topology.streams(settings)]
    changes += await _spread(manager, settings)
    changes += [await manager.consumer(stream, config) for stream, config in topology.consumers(settings)]
    changes += [await _unused(manager, name, prune) for name in await manager.names() if _is_unused(name, settings)]
    return changes


async def ensure_stream(connection: Connection, config: StreamConfig) -> Change:
    """Create a stream, or update the existing one.

    An existing stream must be updated, not created: for a creation, the server would require free room for another one.

    Raises:
        nats.errors.Error, TimeoutError: the server does not answer, or refuses.
    """
    what, wanted = f"stream {config.name}", config.as_dict()
    try:
        before = await _ask(connection, f"STREAM.INFO.{config.name}", {})
    except NotFoundError:
        try:
            await _ask(connection, f"STREAM.CREATE.{config.name}", wanted)
        except APIError as error:
            if error.err_code != _STREAM_NAME_TAKEN:
                raise
            return await ensure_stream(connection, config)  # another process has just created it
        return Change(Action.MADE, what)
    after = await _ask(connection, f"STREAM.UPDATE.{config.name}", wanted)
    return _changed(what, before["config"], after["config"])


class _Manager:
    """JetStream's management API, with retries."""

    def __init__(self, connection: Connection, patience: float) -> None:
        self._connection = connection
        self._patience = patience

    async def stream(self, config: StreamConfig) -> Change:
        return await self._with_retries(f"stream {config.name}", lambda: ensure_stream(self._connection, config))

    async def consumer(self, stream: str, config: ConsumerConfig) -> Change:
        what = f"consumer {config.name} of {stream}"
        wanted = {"stream_name": stream, "config": config.as_dict()}

        async def ensure() -> Change:
            before: dict[str, Any] | None = None
            with contextlib.suppress(NotFoundError):
                before = await _ask(self._connection, f"CONSUMER.INFO.{stream}.{config.name}", {})
            after = await _ask(self._connection, f"CONSUMER.DURABLE.CREATE.{stream}.{config.name}", wanted)
            return _changed(what, before["config"], after["config"]) if before else Change(Action.MADE, what)

        return await self._with_retries(what, ensure)

    async def names(self) -> list[str]:
        """The names of all streams."""
        found: list[str] = []
        while True:
            page = await self.ask("the list of streams", "STREAM.NAMES", {"offset": len(found)})
            found += page.get("streams") or ()
            if not page.get("streams") or len(found) >= page["total"]:
                return found

    async def info(self, stream: str) -> dict[str, Any]:
        return await self.ask(f"stream {stream}", f"STREAM.INFO.{stream}", {})

    async def ask(self, what: str, request: str, content: Mapping[str, Any]) -> dict[str, Any]:
        return await self._with_retries(what, lambda: _ask(self._connection, request, content))

    async def until(self, what: str, condition: Callable[[], Awaitable[bool]]) -> None:
        async def holds() -> None:
            if not await condition():
                raise TimeoutError("it takes too long")

        await self._with_retries(what, holds)

    async def _with_retries(self, what: str, attempt: Callable[[], Awaitable[T]]) -> T:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._patience
        while True:
            try:
                return await attempt()
            except (NatsError, TimeoutError) as error:
                if isinstance(error, APIError) and not _is_transient(error):
                    raise Fault(f"NATS refuses {what}: {error.description}") from error
                if loop.time() > end:
                    raise EngineUnavailable(f"NATS could not create {what}: {error or 'no answer'}") from error
                await asyncio.sleep(_PAUSE)


async def _refuse_downgrade(manager: _Manager) -> None:
    ours = {*topology.JOB_STREAMS, topology.RESULTS, topology.USAGE}
    for name in await manager.names():
        if name in ours:
            found = topology.Version.of((await manager.info(name))["config"].get("metadata"))
            if found.number > topology.VERSION:
                raise Fault(
                    f"The topology in NATS has version {found.number} ({name}), but this Platelane has version "
                    f"{topology.VERSION}. Run `platelane topology apply` of the newer Platelane, or go back to this "
                    "one with `platelane topology apply --force`."
                )


async def _spread(manager: _Manager, settings: Settings) -> list[Change]:
    """Spread the leaders of the work streams evenly over the servers of a cluster, which would place them anywhere."""
    configs = {str(config.name): config for config in topology.streams(settings)}
    places = {name: _place(await manager.info(name)) for name in configs}
    servers = frozenset(server for place in places.values() if place for server in place.servers)
    if len(servers) < 2:
        return []
    movable = {
        name: place if settings.work_replicas > 1 else leaders.Place(place.leader, servers)
        for stream in topology.WORK
        for name in topology.partitions(stream, settings)
        if (place := places[name])
    }
    moves = {name: server for name, server in leaders.spread(movable).items() if server != movable[name].leader}
    return [await _move(manager, configs[name], server, len(servers)) for name, server in moves.items()]


def _place(info: Mapping[str, Any]) -> leaders.Place | None:
    """Where a stream is; None without a cluster, or without a leader at the moment."""
    cluster = info.get("cluster") or {}
    leader = cluster.get("leader")
    others = (replica["name"] for replica in cluster.get("replicas") or () if not replica.get("offline"))
    return leaders.Place(leader, frozenset((leader, *others))) if leader else None


async def _move(manager: _Manager, config: StreamConfig, server: str, servers: int) -> Change:
    """Make a server the leader of a stream; a stream with one copy gets another there, and then drops the old one."""
    name, what = str(config.name), f"stream {config.name}"
    alone = config.num_replicas == 1
    try:
        if alone:
            await manager.stream(config.evolve(num_replicas=min(_MOST_REPLICAS, servers)))
            await manager.until(f"a copy of {what} on {server}", lambda: _has_copy(manager, name, server))
        await manager.until(f"{server} the leader of {what}", lambda: _lead(manager, name, server))
    except EngineUnavailable as error:  # the stream works where it is, too
        return Change(Action.LEFT, what, (error.detail,))
    finally:
        if alone:
            await manager.stream(config)
    return Change(Action.MOVED, what, (f"to {server}",))


async def _lead(manager: _Manager, stream: str, server: str) -> bool:
    """Whether the stream is led by this server; if not, asks its leader to step down in favour of it."""
    place = _place(await manager.info(stream))
    if place and place.leader != server:
        request = {"placement": {"preferred": server}}
        await manager.ask(f"stream {stream}", f"STREAM.LEADER.STEPDOWN.{stream}", request)
    return place is not None and place.leader == server


async def _has_copy(manager: _Manager, stream: str, server: str) -> bool:
    replicas = (await manager.info(stream)).get("cluster", {}).get("replicas") or ()
    return any(replica["name"] == server and replica["current"] for replica in replicas)


def _is_unused(stream: str, settings: Settings) -> bool:
    whole = topology.undivided(stream)
    return whole != stream and stream not in topology.partitions(whole, settings)


async def _unused(manager: _Manager, stream: str, prune: bool) -> Change:
    messages = (await manager.info(stream))["state"]["messages"]
    if not prune:
        return Change(Action.UNUSED, f"stream {stream}", (f"{messages} messages; --prune removes it",))
    await manager.ask(f"stream {stream}", f"STREAM.DELETE.{stream}", {})
    return Change(Action.REMOVED, f"stream {stream}", (f"{messages} messages",))


async def _ask(connection: Connection, request: str, content: Mapping[str, Any]) -> dict[str, Any]:
    return await connection.ask_once(f"$JS.API.{request}", json.dumps(content).encode(), _REQUEST_PATIENCE)


def _is_transient(refusal: APIError) -> bool:
    """Whether a retry may succeed: there is no leader yet, or too few servers, because one is still down."""
    return isinstance(refusal, ServiceUnavailableError) or refusal.err_code == _NO_PEERS


def _changed(what: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Change:
    keys = sorted(key for key in before.keys() | after.keys() if _own(before.get(key)) != _own(after.get(key)))
    details = tuple(f"{key} {_shown(key, before.get(key))} -> {_shown(key, after.get(key))}" for key in keys)
    return Change(Action.CHANGED if details else Action.LEFT, what, details)


def _own(value: object) -> object:
    """A value without the metadata that the server itself adds; unset and empty values become None."""
    if isinstance(value, dict):
        return {key: each for key, each in value.items() if not key.startswith("_nats.")}
    return value or None


def _shown(key: str, value: object) -> str:
    if isinstance(value, int) and key in _DURATIONS:
        return f"{value / 1e9:g}s"
    return json.dumps(_own(value))
