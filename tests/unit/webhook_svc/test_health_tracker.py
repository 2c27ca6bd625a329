from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from platelane.errors import EngineUnavailable
from platelane.webhooks.health import HookHealth, Observations, Tally
from platelane.webhooks.response import Response
from webhook_svc.health_tracker import HealthTracker


@dataclass
class Store:
    """The bucket; it is away while `away`."""

    health: dict[int, HookHealth] = field(default_factory=dict)
    writes: int = 0
    away: bool = False

    async def change(self, hook_id: int, change: Callable[[HookHealth], HookHealth]) -> tuple[HookHealth, HookHealth]:
        if self.away:
            raise EngineUnavailable("away")
        self.writes += 1
        before = self.health.get(hook_id, HookHealth())
        self.health[hook_id] = change(before)
        return before, self.health[hook_id]


def response(status: int | None, second: int = 0) -> Response:
    return Response(at=datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC), status=status, seconds=0.1, detail="")


async def test_many_requests_are_one_write() -> None:
    store = Store()
    tracker = HealthTracker(store)  # type: ignore[arg-type]
    for second in range(30):
        health = tracker.observe(1, response(500, second), with_plate=second % 2 == 0)
    assert health.failures == 30
    await tracker.flush()
    await tracker.flush()
    assert store.writes == 1
    assert store.health[1].failures == 30
    assert store.health[1].failing_since == response(500, 0).at
    assert store.health[1].with_plate == store.health[1].without_plate == Tally(failed=15)


async def test_what_cannot_be_written_is_written_later() -> None:
    store = Store(away=True)
    tracker = HealthTracker(store)  # type: ignore[arg-type]
    tracker.observe(1, response(500, 1), with_plate=True)
    await tracker.flush()
    tracker.observe(1, response(500, 2), with_plate=True)
    store.away = False
    await tracker.flush()
    assert store.health[1].failures == 2
    assert store.health[1].failing_since == response(500, 1).at


@given(st.lists(st.tuples(st.sampled_from([200, 500, None]), st.booleans()), max_size=20), st.integers(0, 20))
def test_observed_in_parts_is_observed_at_once(requests: list[tuple[int | None, bool]], cut: int) -> None:
    def after(health: HookHealth, part: list[tuple[int | None, bool]]) -> HookHealth:
        observed = Observations()
        for status, with_plate in part:
            observed.add(response(status), with_plate=with_plate)
        return health.after(observed)

    assert after(after(HookHealth(), requests[:cut]), requests[cut:]) == after(HookHealth(), requests)


def test_a_receiver_that_takes_only_events_with_a_plate_is_seen() -> None:
    observed = Observations()
    for _ in range(5):
        observed.add(response(500), with_plate=False)
    assert not HookHealth().after(observed).fails_without_plate, "it may take nothing at all"
    observed.add(response(200), with_plate=True)
    assert HookHealth().after(observed).fails_without_plate
    observed.add(response(200), with_plate=False)
    assert not HookHealth().after(observed).fails_without_plate
