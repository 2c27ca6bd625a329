from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from nats.aio.msg import Msg

from platelane.bus import Bus, DeadLetters, Done, MessageInfo, Outcome, RetryAfter, Worker, subjects, topology
from platelane.bus.deadletters import Advisory
from platelane.bus.pull import Pull
from platelane.bus.topology import Consumer
from platelane.errors import EngineUnavailable, Undecodable
from platelane.pb.v1.stages_pb2 import FAILURE_KIND_INTERNAL, DeadLetter, Job, Part, Result
from platelane.runtime.settings import Settings
from tests.support import Caller, eventually, job, running, stored, unsettled


async def dead_letters(bus: Bus, count: int) -> list[DeadLetter]:
    """Exactly `count` dead letters, once they are there."""

    async def there() -> bool:
        return await stored(bus, topology.DEAD) >= count

    await eventually(there)
    manager = bus.client.jsm()
    messages = [await manager.get_msg(topology.DEAD, seq=number + 1) for number in range(count)]
    assert await stored(bus, topology.DEAD) == count
    return [DeadLetter.FromString(message.data or b"") for message in messages]


async def empty(bus: Bus, stream: str) -> None:
    async def holds() -> bool:
        return await stored(bus, stream) == 0

    await eventually(holds)


async def take_and_die(bus: Bus, consumer: Consumer) -> None:
    """Take a message, and say nothing about it any more."""
    async with Pull(bus, consumer, Msg.nak) as pull:
        assert await pull.next()


async def test_job_that_always_fails(bus: Bus, caller: Caller) -> None:
    attempts = 0

    async def handler(_job: Job, _info: MessageInfo) -> None:
        nonlocal attempts
        attempts += 1
        raise ZeroDivisionError

    poison = job("a", reply_subject=caller.subject)
    async with running(Worker(bus, topology.DETECTOR, Job, handler, 2).run, DeadLetters(bus).run):
        await bus.publish(subjects.DETECT, poison, "a")
        reply = await caller.reply()
        (letter,) = await dead_letters(bus, 1)
        await empty(bus, topology.JOBS)
        await empty(bus, topology.ADVISORIES)

    assert attempts == bus.settings.max_deliver
    assert (reply.job_id, reply.failure.kind) == ("a", FAILURE_KIND_INTERNAL)
    assert "Zero" not in reply.failure.detail, "the inside is not shown to callers"
    assert Job.FromString(letter.data) == poison
    assert letter.reason == "3 deliveries to detector failed"


async def test_a_job_that_fails_in_several_workers_is_no_death_of_theirs(bus: Bus, other_bus: Bus) -> None:
    attempts: list[str] = []

    def handler_of(name: str) -> Callable[[Job, MessageInfo], Awaitable[None]]:
        async def handler(_job: Job, _info: MessageInfo) -> None:
            attempts.append(name)
            raise ZeroDivisionError

        return handler

    workers = [
        Worker(each, topology.DETECTOR, Job, handler_of(name), 2) for name, each in (("a", bus), ("b", other_bus))
    ]
    async with running(*(worker.run for worker in workers), DeadLetters(bus).run):
        for number in range(8):
            await bus.publish(subjects.DETECT, job(f"{number}"), f"{number}")
        letters = await dead_letters(bus, 8)

    assert len(attempts) == 8 * bus.settings.max_deliver
    assert set(attempts) == {"a", "b"}
    assert {letter.reason for letter in letters} == {"3 deliveries to detector failed"}


WORK = {
    topology.DETECTOR: subjects.DETECT,
    topology.DETECTOR_BULK: subjects.BULK,
    topology.OCR: subjects.PLATE_CROPS,
    topology.ATTRIBUTES: subjects.VEHICLE_CROPS,
    topology.AGGREGATOR: subjects.part("a", subjects.PLATES),
}


@pytest.mark.parametrize("consumer", WORK, ids=lambda consumer: consumer.name)
async def test_a_job_that_two_workers_died_of_gets_no_third(bus: Bus, caller: Caller, consumer: Consumer) -> None:
    handled: list[str] = []

    async def handler(part: Part, _info: MessageInfo) -> None:
        handled.append(part.context.id)

    context = job("a", reply_subject=caller.subject).context
    await bus.publish(WORK[consumer], Part(context=context), "a")
    await take_and_die(bus, consumer)
    await take_and_die(bus, consumer)
    async with running(Worker(bus, consumer, Part, handler, 2).run):
        reply = await caller.reply()
        (letter,) = await dead_letters(bus, 1)
        assert await unsettled(bus, consumer.stream, consumer.name) == 0

    assert (reply.job_id, reply.failure.kind) == ("a", FAILURE_KIND_INTERNAL)
    assert letter.reason == "2 workers died while handling it"
    assert handled == []


async def test_a_job_that_one_worker_died_of_is_done_by_the_next(bus: Bus) -> None:
    """Also where that one gives it back once."""
    attempts: list[int] = []

    async def handler(_job: Job, info: MessageInfo) -> Outcome:
        attempts.append(info.attempt)
        return RetryAfter(0.05, "not yet") if len(attempts) == 1 else Done()

    await bus.publish(subjects.DETECT, job("a"), "a")
    await take_and_die(bus, topology.DETECTOR)
    async with running(Worker(bus, topology.DETECTOR, Job, handler, 2).run):
        await empty(bus, topology.JOBS)

    assert attempts == [2, 3]
    assert await stored(bus, topology.DEAD) == 0


async def test_a_worker_that_starts_later_knows_what_was_given_back(bus: Bus, settings: Settings) -> None:
    """Triton is away while workers are replaced: nobody has died."""
    done: list[int] = []

    async def refuse(_job: Job, _info: MessageInfo) -> None:
        raise EngineUnavailable("Triton is away.", retry_after=1)

    async def given_back() -> bool:
        return await counter.value(subjects.handed_back(topology.JOBS, 1)) == attempt

    async def work(_job: Job, info: MessageInfo) -> None:
        done.append(info.attempt)

    counter = bus.stream(topology.HANDED_BACK)
    await bus.publish(subjects.DETECT, job("a", seconds=60), "a")
    for attempt in (1, 2):  # noqa: B007
        leaving = await Bus.connect(settings, "leaving")
        async with running(Worker(leaving, topology.DETECTOR, Job, refuse, 1).run):
            await eventually(given_back)
        await leaving.close()
    newcomer = await Bus.connect(settings, "newcomer")
    async with running(Worker(newcomer, topology.DETECTOR, Job, work, 1).run):
        await empty(bus, topology.JOBS)
    await newcomer.close()

    assert done == [3]
    assert await stored(bus, topology.DEAD) == 0


async def test_a_job_with_options_that_always_fails(bus: Bus, caller: Caller) -> None:
    async def handler(_job: Job, _info: MessageInfo) -> None:
        raise ZeroDivisionError

    poison = job("a", reply_subject=caller.subject)
    poison.options.text_formats.append("[a-z][a-z][0-9]{3}")  # whose field is of another type in other messages
    async with running(Worker(bus, topology.DETECTOR, Job, handler, 2).run, DeadLetters(bus).run):
        await bus.publish(subjects.DETECT, poison, "a")
        assert (await caller.reply()).failure.kind == FAILURE_KIND_INTERNAL


async def test_advisories_wait_for_somebody_to_handle_them(bus: Bus, caller: Caller) -> None:
    async def handler(_job: Job, _info: MessageInfo) -> None:
        raise ZeroDivisionError

    async with running(Worker(bus, topology.DETECTOR, Job, handler, 2).run):
        await bus.publish(subjects.DETECT, job("a", reply_subject=caller.subject), "a")

        async def advised() -> bool:
            return await stored(bus, topology.ADVISORIES) == 1

        await eventually(advised)
    async with running(DeadLetters(bus).run):
        assert (await caller.reply()).failure.kind == FAILURE_KIND_INTERNAL
        await dead_letters(bus, 1)
        await empty(bus, topology.JOBS)


async def test_two_undertakers_bury_once(bus: Bus, other_bus: Bus, caller: Caller) -> None:
    async def handler(_job: Job, _info: MessageInfo) -> None:
        raise ZeroDivisionError

    worker = Worker(bus, topology.DETECTOR, Job, handler, 4)
    async with running(worker.run, DeadLetters(bus).run, DeadLetters(other_bus).run):
        for number in range(8):
            await bus.publish(subjects.DETECT, job(f"{number}", reply_subject=caller.subject), f"{number}")
        waiting = {f"{number}" for number in range(8)}
        while waiting:
            waiting.discard((await caller.reply()).job_id)
        await dead_letters(bus, 8)
        await empty(bus, topology.JOBS)


async def test_part_that_cannot_be_joined(bus: Bus, caller: Caller) -> None:
    async def handler(_part: Part, _info: MessageInfo) -> None:
        raise ZeroDivisionError

    async with running(Worker(bus, topology.AGGREGATOR, Part, handler, 2).run, DeadLetters(bus).run):
        context = job("a", reply_subject=caller.subject).context
        await bus.publish(subjects.part("a", subjects.PLATES), Part(context=context), "a.plates")

        assert (await caller.reply()).failure.kind == FAILURE_KIND_INTERNAL
        await dead_letters(bus, 1)


async def test_result_stays_for_the_history_when_it_cannot_be_dispatched(bus: Bus) -> None:
    async def handler(_result: Result, _info: MessageInfo) -> None:
        raise Undecodable("nonsense")

    async with running(Worker(bus, topology.FAN_OUT, Result, handler, 2).run, DeadLetters(bus).run):
        await bus.publish(subjects.result("cam", "a"), Result(account="me"), "a.final")
        (letter,) = await dead_letters(bus, 1)
        await empty(bus, topology.ADVISORIES)

    assert Result.FromString(letter.data).account == "me"
    assert await stored(bus, topology.RESULTS) == 1


async def test_message_that_is_gone_already(bus: Bus) -> None:
    advisory = {"stream": topology.JOBS, "consumer": "detector", "stream_seq": 77, "deliveries": 3}
    subject = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.JOBS.detector"
    async with running(DeadLetters(bus).run):
        await bus.client.jetstream().publish(subject, json.dumps(advisory).encode())
        await empty(bus, topology.ADVISORIES)

    assert await stored(bus, topology.DEAD) == 0


async def test_advisory_that_is_none(bus: Bus) -> None:
    subject = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.JOBS.detector"
    async with running(DeadLetters(bus).run):
        await bus.client.jetstream().publish(subject, b"nonsense")
        (letter,) = await dead_letters(bus, 1)
        await empty(bus, topology.ADVISORIES)

    assert letter.data == b"nonsense"


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"stream": "JOBS", "consumer": "x", "stream_seq": "y"}'])
def test_advisories_are_checked(data: bytes) -> None:
    with pytest.raises(Undecodable):
        Advisory.FromString(data)


async def test_nothing_unsettled_is_left(bus: Bus) -> None:
    async with running(DeadLetters(bus).run):
        await asyncio.sleep(0.1)
    assert await unsettled(bus, topology.ADVISORIES, "dead_letters") == 0
