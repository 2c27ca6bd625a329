"""The outcome of an event, by its receiver's answer."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

import webhook_svc.delivery
from platelane.bus import Done, MessageInfo, Postpone, Reject, RetryAfter, subjects
from platelane.bus.streams import Record
from platelane.errors import EngineUnavailable, Overloaded
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.runtime.clock import Jumps
from platelane.runtime.settings import Settings
from platelane.webhooks.health import HookHealth, Observations
from platelane.webhooks.hook import Hook
from platelane.webhooks.payload import Payload
from platelane.webhooks.response import Response
from tests.stages import decode_here
from webhook_svc.delivery import GONE, LONGEST_WAIT, DeliveryHandler

FIRST = subjects.delivery(1, "3")
RETRY = subjects.delivery(1, subjects.RETRY)


@dataclass
class World:
    """Everything around the handler, in memory."""

    hook: Hook
    answers: list[int | None]
    retry_after: float = 0.0
    full: bool = False
    requests: list[Payload] = field(default_factory=list)
    retried: list[tuple[str, int, float]] = field(default_factory=list)
    dropping: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    counted: set[str] = field(default_factory=set)
    nats_is_away: bool = False
    mails: list[Hook] = field(default_factory=list)
    observed: Observations = field(default_factory=Observations)
    health: HookHealth = field(default_factory=HookHealth)
    images: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        settings = Settings(webhook_attempts=3, webhook_retry_limit=60, webhook_disable_after=3600)
        self.handler = DeliveryHandler(settings, self, self, self, lambda _: self, self, self.notify, decode_here)  # type: ignore[arg-type]

    def get(self, what: int | str) -> object:
        if isinstance(what, int):
            return self.hook if what == self.hook.id else None
        return self.image(what)

    async def image(self, subject: str) -> Record | None:
        data = self.images.get(subject)
        return Record(subject, 1, 0.0, data) if data else None

    async def change(self, hook_id: int, change: Callable[[Hook], Hook]) -> Hook:
        assert hook_id == self.hook.id
        self.hook = change(self.hook)
        return self.hook

    async def count(self, hook_id: int, what: str, amount: int = 1, message_id: str = "") -> None:
        assert hook_id == self.hook.id
        if self.nats_is_away:
            raise EngineUnavailable("NATS is away.")
        if not message_id or message_id not in self.counted:
            self.counted.add(message_id)
            self.counts[what] += amount

    async def post(self, target: str, payload: Payload, *, guarded: bool) -> Response:
        assert (target, guarded) == (self.hook.target, bool(self.hook.account))
        self.requests.append(payload)
        status = self.answers.pop(0)
        return Response(
            at=datetime.now(UTC), status=status, seconds=0.1, detail="so it says", retry_after=self.retry_after
        )

    def observe(self, hook_id: int, response: Response, *, with_plate: bool) -> HookHealth:
        assert hook_id == self.hook.id
        self.observed.add(response, with_plate=with_plate)
        return self.health.after(self.observed)

    async def retry(self, key: str, delivery: stages_pb2.Delivery, sequence: int, pause: float) -> int:
        assert delivery.result.recognition.id == "job"
        if self.full:
            raise Overloaded("full")
        self.retried.append((key, sequence, pause))
        return self.dropping

    async def notify(self, hook: Hook, _health: HookHealth) -> None:
        self.mails.append(hook)

    async def deliver(self, subject: str = FIRST, attempt: int = 1, **fields: int) -> object:
        recognition = domain_pb2.Recognition(id="job", camera_id="gate", timestamp_us=1)
        delivery = stages_pb2.Delivery(result=stages_pb2.Result(recognition=recognition), **fields)
        return await self.handler.handle(1, delivery, MessageInfo(subject, 17, attempt))


def world(*answers: int | None, **fields: object) -> World:
    return World(Hook.model_validate({"id": 1, "target": "http://a.example/", **fields}), list(answers))


async def test_what_the_receiver_takes_is_done_and_not_sent_again() -> None:
    one = world(200)
    assert await one.deliver() == Done()
    assert await one.deliver(attempt=2) == Done(), "NATS had not noted that it was done"
    (request,) = one.requests
    assert request.headers["Idempotency-Key"] == "job.1"
    assert json.loads(request.body)["hook"]["sequence"] == 17


async def test_what_is_acknowledged_has_been_counted_once() -> None:
    one = world(200)
    one.nats_is_away = True
    with pytest.raises(EngineUnavailable):
        await one.deliver()
    assert one.counts == {}
    one.nats_is_away = False
    for attempt in (2, 3):
        assert await one.deliver(attempt=attempt) == Done()
    assert one.counts == {"delivered": 1}
    assert len(one.requests) == 1


async def test_what_a_failing_event_displaces_is_counted() -> None:
    one = world(500)
    one.dropping = 2
    assert await one.deliver() == Done()
    assert one.counts == {"dropped": 2}


async def test_an_event_that_fails_moves_to_the_retry_queue() -> None:
    one = world(500)
    assert await one.deliver() == Done()
    ((key, sequence, pause),) = one.retried
    assert (key, sequence) == ("job.1", 17)
    assert 0.8 <= pause <= 1.2


async def test_where_order_is_wanted_it_stays_where_it_is() -> None:
    one = world(500, ordered=True)
    outcome = await one.deliver()
    assert isinstance(outcome, RetryAfter)
    assert one.retried == []


async def test_where_the_machine_has_no_room_it_stays_where_it_is() -> None:
    one = world(500)
    one.full = True
    assert isinstance(await one.deliver(), RetryAfter)


async def test_in_the_retry_queue_it_waits_no_longer_because_the_clock_was_set_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ahead = 3_600.0
    jumps = Jumps(lambda: time.time() + ahead)
    monkeypatch.setattr(webhook_svc.delivery, "jumps", jumps)
    due = time.time() + ahead + 30
    ahead = 0.0
    jumps.check()
    outcome = await world().deliver(RETRY, due_us=int(due * 1e6))
    assert isinstance(outcome, Postpone)
    assert 0 < outcome.seconds <= 30


async def test_in_the_retry_queue_it_waits_until_it_is_due() -> None:
    one = world()
    outcome = await one.deliver(RETRY, due_us=int((time.time() + 30) * 1e6))
    assert isinstance(outcome, Postpone)
    assert 29 < outcome.seconds <= 30
    assert one.requests == []


async def test_a_retry_keeps_the_number_of_the_first_attempt() -> None:
    one = world(200)
    assert await one.deliver(RETRY, attempt=2, sequence=5) == Done()
    assert json.loads(one.requests[0].body)["hook"]["sequence"] == 5


async def test_pauses_grow_and_are_at_least_as_long_as_the_receiver_asks() -> None:
    one = world(503, 503)
    outcome = await one.deliver(RETRY, attempt=2)
    assert isinstance(outcome, RetryAfter)
    assert 1.6 <= outcome.seconds <= 2.4
    one.retry_after = 1e9
    outcome = await one.deliver(RETRY, attempt=2)
    assert isinstance(outcome, RetryAfter)
    assert outcome.seconds == LONGEST_WAIT


async def test_the_log_and_dead_letters_name_the_receiver_without_its_path() -> None:
    for attempt in (2, 3):
        outcome = await world(503, target="http://a.example/hooks/secret").deliver(RETRY, attempt=attempt)
        assert isinstance(outcome, RetryAfter | Reject)
        assert "http://a.example" in outcome.reason
        assert "secret" not in outcome.reason


async def test_after_the_last_attempt_it_is_a_dead_letter() -> None:
    one = world(503)
    outcome = await one.deliver(RETRY, attempt=3)
    assert isinstance(outcome, Reject)
    assert "attempt 3" in outcome.reason
    assert one.counts == {"dead": 1}


@pytest.mark.parametrize("status", [400, 413, 415, 422])
async def test_a_refusal_is_believed_at_the_second_attempt(status: int) -> None:
    one = world(status, status)
    assert await one.deliver() == Done()
    assert len(one.retried) == 1
    assert isinstance(await one.deliver(RETRY, attempt=2), Reject)


async def test_a_receiver_that_is_gone_disables_its_hook_and_one_mail_says_so() -> None:
    one = world(GONE, GONE)
    assert isinstance(await one.deliver(), RetryAfter)
    assert not one.hook.enabled
    assert [hook.id for hook in one.mails] == [1]
    assert isinstance(await one.deliver(), Postpone)


async def test_a_receiver_that_fails_for_long_disables_its_hook() -> None:
    one = world(None)
    since = datetime.now(UTC) - timedelta(hours=2)
    one.health = HookHealth(failing_since=since, failures=100)
    await one.deliver()
    assert "All 101 requests of the last 2 hours failed" in one.hook.disabled_reason


async def test_few_failures_do_not_disable_however_long_ago_the_first_was() -> None:
    one = world(None)
    one.health = HookHealth(failing_since=datetime.now(UTC) - timedelta(days=9), failures=1)
    await one.deliver()
    assert one.hook.enabled


async def test_what_cannot_be_written_is_given_up_at_once() -> None:
    one = world()
    recognition = domain_pb2.Recognition(id="job", timestamp_us=2**62)  # in no year
    delivery = stages_pb2.Delivery(result=stages_pb2.Result(recognition=recognition))
    outcome = await one.handler.handle(1, delivery, MessageInfo(FIRST, 17, 1))
    assert isinstance(outcome, Reject)
    assert outcome.reason.startswith("The event could not be written: OverflowError")


async def test_a_hook_that_is_gone_or_disabled_gets_nothing() -> None:
    for one in (world(enabled=False), World(Hook(id=2, target="http://a.example/"), [])):
        assert isinstance(await one.deliver(), Postpone)
        assert one.requests == []
