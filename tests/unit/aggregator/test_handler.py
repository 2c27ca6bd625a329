"""The join, regardless of which process sees which part."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from google.protobuf.message import Message

from aggregator.handler import Aggregator, ReceivedPart
from platelane.bus import subjects
from platelane.errors import EngineUnavailable
from platelane.pb.v1.stages_pb2 import STAGE_PLATES, DetectionPart, JobContext, PlatesPart, Reply, Result
from tests.models import DSCORE
from tests.stages import Published, context, info


@dataclass
class Store:
    """The stream of parts."""

    parts: dict[str, dict[str, bytes]] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)
    """The sequences of the parts at hand."""
    forgotten: list[str] = field(default_factory=list)

    async def of(self, context: JobContext, at_hand: int = 0) -> dict[str, bytes]:
        self.asked.append(at_hand)
        return dict(self.parts.get(context.id, {}))

    async def forget(self, context: JobContext) -> None:
        self.forgotten.append(context.id)


@dataclass
class Counter:
    """The counter of calls."""

    ids: set[str] = field(default_factory=set)
    counted: set[tuple[str, datetime]] = field(default_factory=set)

    async def count(self, account: str, moment: datetime, message_id: str) -> int:
        self.counted.add((account, moment))
        self.ids.add(message_id)
        return len(self.ids)


@dataclass
class Process:
    """One aggregator and what it shares with others."""

    bus: Published
    store: Store
    counter: Counter

    def __post_init__(self) -> None:
        self.aggregator = Aggregator(self.bus, self.store, self.counter, DSCORE)

    async def receive(self, stage: str, part: Message) -> None:
        data = part.SerializeToString()
        self.store.parts.setdefault("job", {})[stage] = data
        subject = subjects.part("job", stage)
        await self.aggregator.handle(ReceivedPart.FromString(data), info(subject))


DETECTION = DetectionPart(context=context(), due=[STAGE_PLATES])
PLATES = PlatesPart(context=context())


async def test_the_last_part_is_answered_counted_and_stored_once() -> None:
    one = Process(Published(), Store(), Counter())
    await one.receive(subjects.DETECTION, DETECTION)
    assert one.bus.messages == []
    await one.receive(subjects.PLATES, PLATES)
    [(subject, result)] = one.bus.messages
    assert subject == subjects.result("gate", "job")
    assert isinstance(result, Result)
    assert result.account == "account"
    [(inbox, reply)] = one.bus.sent
    assert inbox == "inbox"
    assert isinstance(reply, Reply)
    assert (reply.job_id, reply.calls) == ("job", 1)
    assert one.counter.counted == {("account", datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC))}
    assert one.store.forgotten == ["job"]
    assert one.store.asked == [], "both parts went through this process"


async def test_parts_that_two_processes_see_are_answered_by_whoever_sees_the_last() -> None:
    bus, store, counter = Published(), Store(), Counter()
    one, other = Process(bus, store, counter), Process(bus, store, counter)
    await one.receive(subjects.DETECTION, DETECTION)
    await other.receive(subjects.PLATES, PLATES)
    assert len(bus.messages) == len(bus.sent) == 1
    assert store.asked == [1]


async def test_a_part_that_comes_again_changes_nothing() -> None:
    bus, store, counter = Published(), Store(), Counter()
    one, other = Process(bus, store, counter), Process(bus, store, counter)
    await one.receive(subjects.DETECTION, DETECTION)
    await one.receive(subjects.PLATES, PLATES)
    await other.receive(subjects.PLATES, PLATES)
    assert len(bus.messages) == len(counter.ids) == 1


async def test_a_deadline_does_not_come_between_the_count_and_the_event(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Process(Published(), Store(), Counter())
    counting, go_on = asyncio.Event(), asyncio.Event()
    count = one.counter.count

    async def slowly(account: str, moment: datetime, message_id: str) -> int:
        counting.set()
        await go_on.wait()
        return await count(account, moment, message_id)

    monkeypatch.setattr(one.counter, "count", slowly)
    await one.receive(subjects.DETECTION, DETECTION)
    handling = asyncio.create_task(one.receive(subjects.PLATES, PLATES))
    await counting.wait()
    handling.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await handling
    assert len(one.bus.messages) == len(one.counter.ids) == 1


async def test_what_the_bus_raises_is_raised_so_that_the_part_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Process(Published(), Store(), Counter())

    async def away(subject: str, _message: Message) -> None:
        raise EngineUnavailable(f"{subject} is out of reach")

    await one.receive(subjects.DETECTION, DETECTION)
    monkeypatch.setattr(one.bus, "send", away)
    with pytest.raises(EngineUnavailable):
        await one.receive(subjects.PLATES, PLATES)
    assert one.store.forgotten == []
