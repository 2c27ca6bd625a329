from __future__ import annotations

import asyncio
import os
import time

import pytest
from nats.aio.msg import Msg

from platelane.bus import Bus, MessageInfo, Worker, subjects, topology
from platelane.bus.client import SEND_PATIENCE
from platelane.errors import EngineUnavailable, Fault, Overloaded, UploadTooLarge
from platelane.pb.v1.stages_pb2 import Job, Reply
from platelane.runtime.settings import LARGEST_UPLOAD, Settings
from tests.support import Caller, NatsServer, job, stored


async def test_one_id_is_stored_once(bus: Bus, other_bus: Bus) -> None:
    assert await bus.publish(subjects.DETECT, job("a"), "a") is True
    assert await bus.publish(subjects.DETECT, job("a"), "a") is False
    assert await other_bus.publish(subjects.DETECT, job("a"), "a") is False
    assert await stored(bus, topology.JOBS) == 1


async def test_many_at_once_under_one_id_store_one(bus: Bus) -> None:
    news = await asyncio.gather(*(bus.publish(subjects.DETECT, job("a"), "a") for _ in range(20)))

    assert news.count(True) == 1
    assert await stored(bus, topology.JOBS) == 1


async def test_full_queue_refuses_the_next_and_keeps_the_old(bus: Bus, settings: Settings) -> None:
    for number in range(settings.queue_limit):
        await bus.publish(subjects.DETECT, job(f"{number}"), f"{number}")

    with pytest.raises(Overloaded) as refusal:
        await bus.publish(subjects.DETECT, job("one more"), "one more")

    assert refusal.value.retry_after >= 1
    assert await stored(bus, topology.JOBS) == settings.queue_limit
    assert await bus.publish(subjects.DETECT, job("3"), "3") is False, "a retry of what is stored must not fail"


async def test_queue_full_of_bytes(bus: Bus, settings: Settings) -> None:
    async def fill() -> None:
        for number in range(settings.queue_limit):
            await bus.publish(subjects.DETECT, job(f"{number}", image=bytes(1_000_000 * 7)), f"{number}")

    with pytest.raises(Overloaded):
        await fill()
    assert 2 < await stored(bus, topology.JOBS) < settings.queue_limit


async def test_message_larger_than_the_server_takes(bus: Bus) -> None:
    with pytest.raises(UploadTooLarge) as refusal:
        await bus.publish(subjects.DETECT, job("big", image=bytes(bus.client.max_payload)), "big")

    assert refusal.value.limit == bus.client.max_payload


async def test_the_largest_picture_survives_the_servers_death(bus: Bus, server: NatsServer) -> None:
    """JetStream reads no record of more than 32 MiB back from its files."""
    image = os.urandom(LARGEST_UPLOAD)
    assert await bus.publish(subjects.DETECT, job("large", image=image), "large") is True
    assert await bus.publish(subjects.DETECT, job("large", image=image), "large") is False
    server.kill()
    server.start()
    assert await bus.publish(subjects.DETECT, job("small"), "small") is True, "the connection is as it was"
    seen: asyncio.Queue[Job] = asyncio.Queue()

    async def handle(found: Job, info: MessageInfo) -> None:
        if found.context.id == "large" and info.attempt == 1:
            raise EngineUnavailable("again")  # it is delivered anew
        await seen.put(found)

    stop = asyncio.Event()
    working = asyncio.create_task(Worker(bus, topology.DETECTOR, Job, handle, 2).run(stop))
    async with asyncio.timeout(30):
        found = {each.context.id: each for each in [await seen.get(), await seen.get()]}
    stop.set()
    await working
    assert found["large"].image == image


async def test_small_messages_do_not_wait_for_large_ones_and_keep_their_order(bus: Bus) -> None:
    """Large ones go out in pieces, with nothing of others between them."""
    large, received = os.urandom(20_000_000), asyncio.Queue[bytes]()
    await bus.subscribe("test.order", received.put)
    for data in (b"before", large, b"after"):
        await bus.client.publish("test.order", data)
    await bus.client.publish("test.order", large, headers={"A": "b"})
    assert [await received.get() for _ in range(4)] == [b"before", large, b"after", large]


async def test_headers_count_as_the_server_counts_them(bus: Bus) -> None:
    image = bytes(bus.client.max_payload - len(job("big", image=b"").SerializeToString()) - 20)
    with pytest.raises(UploadTooLarge):
        await bus.publish(subjects.DETECT, job("big", image=image), "big")
    assert bus.connected, "the server ends a connection that sends more than it takes"
    await bus.publish(subjects.DETECT, job("small"), "small")


async def test_no_server_until_the_deadline(bus: Bus, server: NatsServer) -> None:
    server.kill()
    started = time.monotonic()

    with pytest.raises(EngineUnavailable):
        await bus.publish(subjects.DETECT, job("a"), "a", deadline=time.time() + 0.5)

    assert 0.4 < time.monotonic() - started < bus.settings.deadline
    assert not bus.connected


async def test_deadline_already_past(bus: Bus) -> None:
    with pytest.raises(EngineUnavailable):
        await bus.publish(subjects.DETECT, job("a"), "a", deadline=time.time() - 1)


async def test_publish_while_the_server_is_away_succeeds_when_it_is_back(bus: Bus, server: NatsServer) -> None:
    server.kill()
    publishing = asyncio.create_task(bus.publish(subjects.DETECT, job("a"), "a"))
    await asyncio.sleep(0.5)
    assert not publishing.done()
    server.start()

    assert await publishing is True
    assert await stored(bus, topology.JOBS) == 1


async def test_subject_no_stream_takes(bus: Bus) -> None:
    with pytest.raises(EngineUnavailable):
        await bus.publish("platelane.nonsense", job("a"), "a", deadline=time.time() + 0.3)


async def test_plain_messages(other_bus: Bus, caller: Caller) -> None:
    for number in range(10):
        await other_bus.send(caller.subject, Reply(job_id=f"{number}"))

    assert [(await caller.reply()).job_id for _ in range(10)] == [f"{number}" for number in range(10)]


async def test_plain_message_reaches_who_listens_a_little_later(bus: Bus, other_bus: Bus) -> None:
    late = Caller(bus)
    await other_bus.send(late.subject, Reply(job_id="a"))
    await asyncio.sleep(0.3)
    assert late.silent
    await late.listen()

    assert (await late.reply()).job_id == "a"
    await asyncio.sleep(0.3)
    assert late.silent, "it came twice"


async def test_a_frozen_receiver_holds_up_nobody(bus: Bus, other_bus: Bus) -> None:
    inbox = bus.new_inbox()
    got = asyncio.Queue[Msg]()
    await other_bus.client.subscribe(inbox, cb=got.put)  # and never says that it has it
    await other_bus.client.flush()
    started = time.monotonic()
    await bus.send(inbox, Reply(job_id="a"))
    assert time.monotonic() - started < SEND_PATIENCE
    async with asyncio.timeout(5):
        await got.get()


async def test_nothing_sent_after_a_subscription_is_missed(bus: Bus, other_bus: Bus) -> None:
    got = asyncio.Queue[Msg]()
    for _ in range(100):
        inbox = other_bus.new_inbox()
        await other_bus.client.subscribe(inbox, cb=got.put)
        await other_bus.client.flush()
        await bus.client.publish(inbox)
        async with asyncio.timeout(5):
            await got.get()


async def test_plain_message_nobody_wants(bus: Bus) -> None:
    await bus.send("platelane.nobody", Reply(job_id="a"))


async def test_a_subscriber_that_fails_gets_the_next_message(bus: Bus) -> None:
    seen: list[bytes] = []

    async def handler(data: bytes) -> None:
        seen.append(data)
        if len(seen) == 1:
            raise RuntimeError("the first one")

    inbox = bus.new_inbox()
    await bus.subscribe(inbox, handler)
    await bus.send(inbox, Reply(job_id="1"))
    await bus.send(inbox, Reply(job_id="2"))
    async with asyncio.timeout(5):
        while len(seen) < 2:
            await asyncio.sleep(0.01)


async def test_no_server_at_all() -> None:
    with pytest.raises(EngineUnavailable, match=r"nats://127\.0\.0\.1:1") as problem:
        await Bus.connect(Settings(nats_url="nats://user:secret@127.0.0.1:1"), "test", patience=0.5)

    assert "secret" not in problem.value.detail
    assert "refused" in problem.value.detail or "failed" in problem.value.detail


async def test_server_that_comes_while_we_wait(server: NatsServer, settings: Settings) -> None:
    server.kill()
    connecting = asyncio.create_task(Bus.connect(settings, "test"))
    await asyncio.sleep(0.5)
    server.start()

    bus = await connecting
    assert bus.connected
    await bus.close()


async def test_address_that_is_none() -> None:
    with pytest.raises(Fault, match="NATS cannot be used at"):
        await Bus.connect(Settings(nats_url="nats://:x"), "test", patience=1)


async def test_closed_bus(settings: Settings) -> None:
    bus = await Bus.connect(settings, "test")
    await bus.close()

    assert not bus.connected
    with pytest.raises(EngineUnavailable):
        await bus.publish(subjects.DETECT, job("a"), "a")


async def test_close_while_the_server_is_away(settings: Settings, server: NatsServer) -> None:
    bus = await Bus.connect(settings, "test")
    server.kill()
    await asyncio.sleep(0.1)

    async with asyncio.timeout(5):
        await bus.close()


async def test_of_two_servers_that_both_answer_the_first_is_heard(bus: Bus, other_bus: Bus) -> None:
    """After a partition a cluster has two leaders for a moment."""

    async def answer(message: Msg) -> None:
        for data in (b'{"first": 1}', b'{"second": 2}'):
            await other_bus.client.publish(message.reply, data)

    await other_bus.client.subscribe("question", cb=answer)
    await other_bus.client.flush()
    for _ in range(5):
        assert await bus.connection.ask_once("question", b"", 10) == {"first": 1}
