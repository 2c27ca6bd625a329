from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from prometheus_client import REGISTRY

import platelane.bus.worker
from platelane.bus import Bus, Done, MessageInfo, Outcome, Reject, RetryAfter, Worker, subjects, topology
from platelane.bus.worker import GRACE, pause_after
from platelane.errors import BadImage, BadRequest, EngineUnavailable, Undecodable
from platelane.pb.v1.stages_pb2 import (
    FAILURE_KIND_BAD_IMAGE,
    FAILURE_KIND_BAD_REQUEST,
    FAILURE_KIND_INTERNAL,
    FAILURE_KIND_UNAVAILABLE,
    DeadLetter,
    Job,
)
from platelane.runtime.clock import Jumps
from platelane.runtime.settings import Settings
from tests.support import Caller, NatsServer, eventually, job, running, stored, unsettled

Handler = Callable[[Job, MessageInfo], Awaitable[Outcome | None]]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """On a busy machine a worker may be silent for half a second."""
    return settings.model_copy(update={"ack_wait": 2.0})


def detector(bus: Bus, handler: Handler, in_flight: int = 4) -> Callable[[asyncio.Event], Awaitable[None]]:
    return Worker(bus, topology.DETECTOR, Job, handler, in_flight).run


async def queue_is_empty(bus: Bus) -> None:
    async def empty() -> bool:
        return await stored(bus, topology.JOBS) == 0 and await unsettled(bus, topology.JOBS, "detector") == 0

    await eventually(empty)


async def dead(bus: Bus) -> DeadLetter:
    """The only dead letter."""
    assert await stored(bus, topology.DEAD) == 1
    message = await bus.client.jsm().get_last_msg(topology.DEAD, "platelane.dead.*")
    return DeadLetter.FromString(message.data or b"")


@pytest.mark.parametrize("outcome", [None, Done()])
async def test_done_once(bus: Bus, outcome: Outcome | None) -> None:
    handled: list[str] = []

    async def handler(work: Job, _info: MessageInfo) -> Outcome | None:
        handled.append(work.context.id)
        assert work.image == b"picture"
        return outcome

    async with running(detector(bus, handler)):
        for number in range(10):
            await bus.publish(subjects.DETECT, job(f"{number}"), f"{number}")
        await queue_is_empty(bus)

    assert sorted(handled) == [f"{number}" for number in range(10)]


async def test_no_more_at_once_than_asked_for(bus: Bus) -> None:
    at_once = most = 0

    async def handler(_job: Job, _info: MessageInfo) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.05)
        at_once -= 1

    async with running(detector(bus, handler, in_flight=3)):
        for number in range(12):
            await bus.publish(subjects.DETECT, job(f"{number}"), f"{number}")
        await queue_is_empty(bus)

    assert most == 3


async def test_message_is_handled_the_moment_it_is_published(bus: Bus) -> None:
    waits: list[float] = []
    sent = 0.0

    async def handler(_job: Job, _info: MessageInfo) -> None:
        waits.append(time.perf_counter() - sent)

    async with running(detector(bus, handler)):
        for number in range(20):
            await asyncio.sleep(0.01)
            sent = time.perf_counter()
            await bus.publish(subjects.DETECT, job(f"{number}", image=bytes(30_000)), f"{number}")
        await queue_is_empty(bus)

    assert sorted(waits)[10] < 0.1, "a polling gap"


async def test_two_workers_share_the_work(bus: Bus, other_bus: Bus) -> None:
    handled: dict[str, list[str]] = {"one": [], "other": []}

    def handler_of(name: str) -> Handler:
        async def handler(work: Job, _info: MessageInfo) -> None:
            handled[name].append(work.context.id)
            await asyncio.sleep(0.02)

        return handler

    async with running(detector(bus, handler_of("one"), 2), detector(other_bus, handler_of("other"), 2)):
        await asyncio.sleep(0.2)
        for number in range(20):
            await bus.publish(subjects.DETECT, job(f"{number}"), f"{number}")
        await queue_is_empty(bus)

    assert sorted(handled["one"] + handled["other"]) == sorted(f"{number}" for number in range(20))
    assert min(len(done) for done in handled.values()) >= 5


async def test_retry_after(bus: Bus) -> None:
    times: list[float] = []
    attempts: list[int] = []

    async def handler(_job: Job, info: MessageInfo) -> Outcome:
        times.append(time.monotonic())
        attempts.append(info.attempt)
        return RetryAfter(0.3, "not yet") if len(times) < 3 else Done()

    async with running(detector(bus, handler)):
        await bus.publish(subjects.DETECT, job("a"), "a")
        await queue_is_empty(bus)

    assert attempts == [1, 2, 3]
    assert times[1] - times[0] >= 0.28
    assert times[2] - times[1] >= 0.28


async def test_reject_is_kept_for_the_operator_and_the_caller_told(bus: Bus, caller: Caller) -> None:
    async def handler(_job: Job, _info: MessageInfo) -> Outcome:
        return Reject("poison")

    poison = job("a", reply_subject=caller.subject)
    async with running(detector(bus, handler)):
        await bus.publish(subjects.DETECT, poison, "a")
        reply = await caller.reply()
        await queue_is_empty(bus)

    assert (reply.job_id, reply.failure.kind) == ("a", FAILURE_KIND_INTERNAL)
    letter = await dead(bus)
    assert (letter.subject, letter.reason) == (subjects.DETECT, "poison")
    assert Job.FromString(letter.data) == poison


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (BadImage("This is no picture."), FAILURE_KIND_BAD_IMAGE),
        (BadRequest("This is no request."), FAILURE_KIND_BAD_REQUEST),
    ],
)
async def test_fault_of_the_caller_is_answered_once(bus: Bus, caller: Caller, error: Exception, kind: int) -> None:
    handled = 0

    async def handler(_job: Job, _info: MessageInfo) -> None:
        nonlocal handled
        handled += 1
        raise error

    async with running(detector(bus, handler)):
        await bus.publish(subjects.DETECT, job("a", reply_subject=caller.subject), "a")
        reply = await caller.reply()
        await queue_is_empty(bus)
        await asyncio.sleep(bus.settings.ack_wait + 0.5)

    assert (reply.job_id, reply.failure.kind, reply.failure.detail) == ("a", kind, str(error))
    assert handled == 1
    assert caller.silent
    assert await stored(bus, topology.DEAD) == 0


async def test_unavailable_engine_is_tried_again(bus: Bus, caller: Caller) -> None:
    attempts: list[int] = []

    async def handler(_job: Job, info: MessageInfo) -> None:
        attempts.append(info.attempt)
        if len(attempts) < 3:
            raise EngineUnavailable("Triton is away.", retry_after=0)

    async with running(detector(bus, handler)):
        await bus.publish(subjects.DETECT, job("a", reply_subject=caller.subject), "a")
        await queue_is_empty(bus)

    assert attempts == [1, 2, 3]
    assert caller.silent


async def test_engine_unavailable_for_good_is_said_to_the_caller(bus: Bus, caller: Caller) -> None:
    async def handler(_job: Job, _info: MessageInfo) -> None:
        raise EngineUnavailable("Triton is away.", retry_after=0)

    async with running(detector(bus, handler)):
        await bus.publish(subjects.DETECT, job("a", reply_subject=caller.subject), "a")
        reply = await caller.reply()
        await queue_is_empty(bus)

    assert (reply.failure.kind, reply.failure.detail) == (FAILURE_KIND_UNAVAILABLE, "Triton is away.")
    assert await stored(bus, topology.DEAD) == 0


async def test_a_wait_beyond_the_deadline_is_not_waited(bus: Bus, caller: Caller) -> None:
    async def handler(_job: Job, _info: MessageInfo) -> None:
        raise EngineUnavailable("Triton is away.", retry_after=60)

    async with running(detector(bus, handler)):
        await bus.publish(subjects.DETECT, job("a", reply_subject=caller.subject), "a")
        reply = await caller.reply()
        await queue_is_empty(bus)

    assert reply.failure.kind == FAILURE_KIND_UNAVAILABLE


async def test_undecodable_message_is_kept_for_the_operator(bus: Bus) -> None:
    handled: list[Job] = []

    async def handler(work: Job, _info: MessageInfo) -> None:
        handled.append(work)

    async with running(detector(bus, handler)):
        await bus.client.jetstream().publish(subjects.DETECT, b"\xff\xff\xff")
        await queue_is_empty(bus)

    assert not handled
    letter = await dead(bus)
    assert letter.data == b"\xff\xff\xff"
    assert letter.reason.startswith("undecodable")


async def test_content_the_handler_cannot_decode(bus: Bus, caller: Caller) -> None:
    async def handler(_job: Job, _info: MessageInfo) -> None:
        raise Undecodable("crops of another shape")

    async with running(detector(bus, handler)):
        await bus.publish(subjects.DETECT, job("a", reply_subject=caller.subject), "a")
        reply = await caller.reply()
        await queue_is_empty(bus)

    assert reply.failure.kind == FAILURE_KIND_INTERNAL
    assert (await dead(bus)).reason == "crops of another shape"


async def test_work_nobody_waits_for_is_dropped(bus: Bus, caller: Caller) -> None:
    handled: list[str] = []

    async def handler(work: Job, _info: MessageInfo) -> None:
        handled.append(work.context.id)

    await bus.publish(subjects.DETECT, job("late", reply_subject=caller.subject, seconds=-1), "late")
    async with running(detector(bus, handler)):
        await bus.publish(subjects.DETECT, job("now"), "now")
        await queue_is_empty(bus)

    assert handled == ["now"]
    assert caller.silent


@pytest.mark.parametrize("size", [3_600.0, -3_600.0])
async def test_a_job_keeps_its_time_when_the_clock_is_set(
    bus: Bus, monkeypatch: pytest.MonkeyPatch, size: float
) -> None:
    ahead = -size
    jumps = Jumps(lambda: time.time() + ahead)
    monkeypatch.setattr(platelane.bus.worker, "jumps", jumps)
    given: dict[str, float] = {}

    async def handler(work: Job, _info: MessageInfo) -> None:
        given[work.context.id] = work.context.deadline_us / 1e6 - time.time()

    def accepted(job_id: str, clock: float) -> Job:
        work = job(job_id, seconds=60 + clock)
        work.context.accepted_us = round((time.time() + clock) * 1e6)
        return work

    await bus.publish(subjects.DETECT, accepted("before", -size), "before")
    ahead = 0.0
    jumps.check()
    await bus.publish(subjects.DETECT, accepted("after", 0.0), "after")
    async with running(detector(bus, handler)):
        await queue_is_empty(bus)
    assert {name: 0 < left <= 60 for name, left in given.items()} == {"before": True, "after": True}


async def test_expired_jobs_and_dead_letters_are_counted(bus: Bus, caller: Caller) -> None:
    def counted() -> tuple[float, float]:
        expired = REGISTRY.get_sample_value("platelane_jobs_expired_total", {"stage": "detector"})
        dead = REGISTRY.get_sample_value("platelane_dead_letters_total", {"stream": "JOBS"})
        assert expired is not None
        assert dead is not None
        return expired, dead

    async def handler(work: Job, _info: MessageInfo) -> Reject | None:
        if work.context.id == "slow":
            await asyncio.sleep(60)
        return Reject("poison")

    async with running(Worker(bus, topology.DETECTOR, Job, handler, 4).run):
        await eventually(lambda: _is_shown("platelane_jobs_expired_total", {"stage": "detector"}))
        before = counted()
        await bus.publish(subjects.DETECT, job("late", seconds=-1), "late")
        await bus.publish(subjects.DETECT, job("slow", seconds=0.3), "slow")
        await bus.publish(subjects.DETECT, job("bad", reply_subject=caller.subject), "bad")
        await caller.reply()

        async def settled() -> bool:
            return await stored(bus, topology.JOBS) == 0

        await eventually(settled)
    assert counted() == (before[0] + 2, before[1] + 1)


async def _is_shown(name: str, labels: dict[str, str]) -> bool:
    return REGISTRY.get_sample_value(name, labels) is not None


async def test_work_without_a_deadline_is_never_late(bus: Bus) -> None:
    handled: list[Job] = []

    async def handler(work: Job, _info: MessageInfo) -> None:
        handled.append(work)

    async with running(detector(bus, handler)):
        await bus.publish(subjects.DETECT, Job(image=b"x"), "a")
        await queue_is_empty(bus)

    assert len(handled) == 1


async def test_handler_is_stopped_at_the_deadline(bus: Bus) -> None:
    ended: list[float] = []

    async def handler(_job: Job, _info: MessageInfo) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(time.monotonic())

    started = time.monotonic()
    async with running(detector(bus, handler)):
        await bus.publish(subjects.DETECT, job("a", seconds=3), "a")
        await queue_is_empty(bus)

    assert len(ended) == 1
    assert 2 < ended[0] - started < 20


async def test_timeout_inside_a_handler_is_a_failure_like_any_other(bus: Bus) -> None:
    attempts: list[int] = []

    async def handler(_job: Job, info: MessageInfo) -> None:
        attempts.append(info.attempt)
        if len(attempts) == 1:
            raise TimeoutError

    async with running(detector(bus, handler)):
        await bus.publish(subjects.DETECT, job("a"), "a")
        await queue_is_empty(bus)

    assert attempts == [1, 2]


async def test_slow_handler_keeps_its_message(bus: Bus, other_bus: Bus) -> None:
    handled: list[str] = []

    async def handler(work: Job, _info: MessageInfo) -> None:
        handled.append(work.context.id)
        await asyncio.sleep(2 * bus.settings.ack_wait)

    async with running(detector(bus, handler), detector(other_bus, handler)):
        await bus.publish(subjects.DETECT, job("a"), "a")
        await queue_is_empty(bus)

    assert handled == ["a"]


async def test_stop_finishes_what_is_in_flight_and_leaves_the_rest(bus: Bus) -> None:
    started: list[str] = []
    finished: list[str] = []

    async def handler(work: Job, _info: MessageInfo) -> None:
        started.append(work.context.id)
        await asyncio.sleep(0.3)
        finished.append(work.context.id)

    async with running(detector(bus, handler, in_flight=2)):
        for number in range(6):
            await bus.publish(subjects.DETECT, job(f"{number}"), f"{number}")
        while len(started) < 2:
            await asyncio.sleep(0.01)

    async def settled() -> bool:
        held, left = await unsettled(bus, topology.JOBS, "detector"), await stored(bus, topology.JOBS)
        return held == 0 and left == 6 - len(finished)

    assert sorted(started) == sorted(finished)
    await eventually(settled)


async def test_stop_hands_back_what_takes_too_long(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platelane.bus.worker.GRACE", 0.2)
    handled: list[str] = []

    async def stuck(_job: Job, _info: MessageInfo) -> None:
        handled.append("stuck")
        await asyncio.sleep(60)

    async def quick(_job: Job, _info: MessageInfo) -> None:
        handled.append("quick")

    async with running(detector(bus, stuck)):
        await bus.publish(subjects.DETECT, job("a"), "a")
        while not handled:
            await asyncio.sleep(0.01)
    async with running(detector(bus, quick)):
        await queue_is_empty(bus)

    assert handled == ["stuck", "quick"]


async def test_idle_worker_stops_at_once(bus: Bus) -> None:
    async def handler(_job: Job, _info: MessageInfo) -> None:
        raise AssertionError

    async with running(detector(bus, handler)):
        await asyncio.sleep(0.1)
        started = time.monotonic()
    assert time.monotonic() - started < GRACE


async def test_stop_while_the_server_is_away(bus: Bus, server: NatsServer) -> None:
    async def handler(_job: Job, _info: MessageInfo) -> None:
        raise AssertionError

    async with running(detector(bus, handler)):
        await asyncio.sleep(0.1)
        server.kill()
        await asyncio.sleep(0.1)
        started = time.monotonic()
    assert time.monotonic() - started < GRACE


async def test_crops_go_to_the_consumer_of_their_kind(bus: Bus) -> None:
    seen: list[str] = []

    def handler_of(name: str) -> Handler:
        async def handler(work: Job, _info: MessageInfo) -> None:
            seen.append(f"{name} {work.context.id}")

        return handler

    ocr = Worker(bus, topology.OCR, Job, handler_of("ocr"), 2)
    attributes = Worker(bus, topology.ATTRIBUTES, Job, handler_of("attributes"), 2)
    async with running(ocr.run, attributes.run):
        await bus.publish(subjects.PLATE_CROPS, job("1"), "1")
        await bus.publish(subjects.VEHICLE_CROPS, job("2"), "2")

        async def empty() -> bool:
            return len(seen) == 2 and await stored(bus, topology.CROPS) == 0

        await eventually(empty)

    assert sorted(seen) == ["attributes 2", "ocr 1"]


def test_pauses_grow_to_a_minute_however_often_a_handler_fails() -> None:
    assert [pause_after(failures) for failures in (1, 2, 5)] == pytest.approx([0.2, 0.4, 3.2])
    assert pause_after(10_000) == 60
