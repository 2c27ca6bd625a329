from __future__ import annotations

import asyncio

import pytest
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from gateway.accounts import Accounts, BusCounters
from platelane.bus import Bus, mirror, subjects, topology
from platelane.bus.mirror import Mirror
from platelane.errors import EngineUnavailable, Forbidden
from platelane.runtime.settings import Settings
from platelane.tokens import Token, fingerprint
from tests.support import NatsServer, apply_topology, eventually


async def mirrored(bus: Bus) -> Mirror[str]:
    mirror = Mirror(bus, topology.ZONES, bytes.decode)
    await mirror.start()
    return mirror


async def until(mirror: Mirror[str], key: str, value: str | None) -> None:
    async def seen() -> bool:
        return mirror.get(key) == value

    await eventually(seen)


async def test_what_one_stores_all_know(bus: Bus, other_bus: Bus) -> None:
    mirror, other = await mirrored(bus), await mirrored(other_bus)
    await mirror.put("a.b", b"first")
    assert mirror.get("a.b") == "first"
    await until(other, "a.b", "first")
    await other.put("a.b", b"second")
    await until(mirror, "a.b", "second")
    await mirror.delete("a.b")
    assert mirror.get("a.b") is None
    await until(other, "a.b", None)
    assert list(other.items()) == []


async def test_a_later_one_reads_what_is_there(bus: Bus, other_bus: Bus) -> None:
    mirror = await mirrored(bus)
    await asyncio.gather(*(mirror.put(f"key{number}", b"%d" % number) for number in range(1_200)))
    await mirror.delete("key7")
    other = await mirrored(other_bus)
    assert dict(other.items()) == {f"key{number}": f"{number}" for number in range(1_200) if number != 7}


async def test_it_is_a_bucket_for_natss_own_tools(bus: Bus) -> None:
    mirror = await mirrored(bus)
    bucket = await bus.client.jetstream().key_value(topology.ZONES)
    await bucket.put("from.outside", b"value")
    await until(mirror, "from.outside", "value")
    await mirror.put("from.inside", b"other")
    assert (await bucket.get("from.inside")).value == b"other"
    await bucket.delete("from.outside")
    await until(mirror, "from.outside", None)
    assert await bucket.keys() == ["from.inside"]


async def test_what_cannot_be_read_is_left_out(bus: Bus) -> None:
    mirror = await mirrored(bus)
    await mirror.put("bad", b"\xff")
    await mirror.put("good", b"value")
    assert dict(mirror.items()) == {"good": "value"}


async def test_changes_during_an_outage_are_learnt_after_it(bus: Bus, other_bus: Bus, server: NatsServer) -> None:
    """The other connection comes back first and changes everything before this one listens again."""
    mirror, other = await mirrored(bus), await mirrored(other_bus)
    await mirror.put("kept", b"value")
    await mirror.put("gone", b"value")
    server.kill()
    assert mirror.get("kept") == "value"
    server.start()
    await other.delete("gone")
    await other.put("new", b"value")
    await until(mirror, "gone", None)
    await until(mirror, "new", "value")
    assert mirror.get("kept") == "value"


async def test_a_server_that_lost_its_files_is_believed(bus: Bus, settings: Settings, server: NatsServer) -> None:
    mirror = await mirrored(bus)
    await mirror.put("a", b"value")
    await bus.client.jsm().delete_stream(f"KV_{topology.ZONES}")
    server.kill()
    server.start()
    await apply_topology(settings)
    await until(mirror, "a", None)

    async def stored() -> bool:
        try:
            await mirror.put("b", b"again")
        except NatsError:
            return False
        return True

    await eventually(stored)
    assert dict(mirror.items()) == {"b": "again"}


def drop(monkeypatch: pytest.MonkeyPatch, *dropped: int) -> None:
    """The announcements with these sequence numbers get lost; without any, all of them."""
    receive = Mirror._on_change

    async def lossy(self: Mirror[str], message: Msg) -> None:
        if dropped and int((message.headers or {})["Nats-Sequence"]) not in dropped:
            await receive(self, message)

    monkeypatch.setattr(Mirror, "_on_change", lossy)


async def test_a_revoked_token_is_refused_although_the_message_was_lost(
    bus: Bus, other_bus: Bus, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(monkeypatch)
    monkeypatch.setattr(mirror, "RECONCILE_EVERY", 0.2)
    here, there = (Mirror(each, topology.TOKENS, Token.model_validate_json) for each in (bus, other_bus))
    await here.start()
    await there.start()
    accounts = Accounts(here, BusCounters(bus), settings.model_copy(update={"profile": "cloud"}))

    async def is_known() -> bool:
        try:
            return bool(accounts.of("Token secret").id)
        except Forbidden:
            return False

    async def is_unknown() -> bool:
        return not await is_known()

    await there.put(fingerprint("secret"), Token(name="lost").model_dump_json().encode())
    await eventually(is_known)
    await there.delete(fingerprint("secret"))
    await eventually(is_unknown)


async def test_a_gap_is_filled_at_once(bus: Bus, other_bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    drop(monkeypatch, 2)
    monkeypatch.setattr(mirror, "RECONCILE_EVERY", 3600.0)
    here, there = await mirrored(bus), await mirrored(other_bus)
    for key in ("a", "b", "c"):
        await there.put(key, b"value")
    await until(here, "b", "value")
    assert dict(here.items()) == {"a": "value", "b": "value", "c": "value"}


async def test_what_was_purged_without_a_trace_is_gone_too(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """As versions did it that knew of no mirror of hooks."""
    monkeypatch.setattr(mirror, "RECONCILE_EVERY", 0.2)
    here = await mirrored(bus)
    for key in ("a", "b"):
        await here.put(key, b"value")
    await bus.stream(topology.KV_ZONES).purge(filter=subjects.entry(topology.ZONES, "b"))
    await until(here, "b", None)
    assert list(here.names()) == ["a"]


async def test_listeners_are_told_of_each_change(bus: Bus, other_bus: Bus) -> None:
    here, there = await mirrored(bus), await mirrored(other_bus)
    told = asyncio.Event()
    here.on_change(told.set)
    await there.put("a", b"value")
    async with asyncio.timeout(5):
        await told.wait()
    assert here.get("a") == "value"


async def test_a_change_that_somebody_else_was_faster_with_is_not_stored(bus: Bus) -> None:
    here = await mirrored(bus)
    assert await here.put("a", b"first", expected=0)
    assert not await here.put("a", b"second", expected=0)
    assert here.get("a") == "first"


async def test_nobody_waits_long_for_the_changes_of_others(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "_TURN", 0.05)
    entries = await mirrored(bus)
    async with entries.changing():
        with pytest.raises(EngineUnavailable):
            async with entries.changing():
                pass
    async with entries.changing():
        await entries.put("a", b"stored")
    assert entries.get("a") == "stored"
