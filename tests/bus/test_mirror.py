from __future__ import annotations

import asyncio

from nats.errors import Error as NatsError

from platelane.bus import Bus, topology
from platelane.bus.mirror import Mirror
from tests.bus.support import NatsServer, eventually


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


async def test_a_server_that_lost_its_files_is_believed(bus: Bus, server: NatsServer) -> None:
    mirror = await mirrored(bus)
    await mirror.put("a", b"value")
    await bus.client.jsm().delete_stream(f"KV_{topology.ZONES}")
    server.kill()
    server.start()
    await until(mirror, "a", None)

    async def stored() -> bool:
        try:
            await mirror.put("b", b"again")
        except NatsError:
            return False
        return True

    await eventually(stored)
    assert dict(mirror.items()) == {"b": "again"}
