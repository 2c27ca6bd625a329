"""Every process of the system is killed while photos are in progress: all are answered, none is lost."""

from __future__ import annotations

import asyncio
import random
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import nats
import pytest
from nats.js import JetStreamContext

from platelane.bus import subjects, topology
from tests.e2e.conftest import DEADLINE, Stack

MARGIN = 2.0  # a request that is answered at the deadline still has its way back
CALLERS = 3


@dataclass(frozen=True)
class Call:
    """One request: its camera id, which no other has, the status (0: the connection broke), and the seconds it took."""

    camera_id: str
    status: int
    seconds: float


@pytest.fixture
async def js(stack: Stack) -> AsyncIterator[JetStreamContext]:
    """JetStream of a system in which everything is ready and nothing is on its way."""
    await asyncio.to_thread(stack.wait_until_all_ready)
    connection = await nats.connect(stack.nats_url, max_reconnect_attempts=-1, reconnect_time_wait=0.1)
    yield connection.jetstream()
    await connection.close()


async def call(client: httpx.AsyncClient, photo: bytes, camera_id: str) -> Call:
    started = time.monotonic()
    try:
        response = await client.post("/v1/plate-reader/", files={"upload": photo}, data={"camera_id": camera_id})
    except httpx.TransportError:
        return Call(camera_id, 0, time.monotonic() - started)
    if response.status_code == 503:
        assert int(response.headers["Retry-After"]) >= 1
        assert response.json()["status_code"] == 503
    elif response.status_code == 200:
        assert response.json()["camera_id"] == camera_id
    return Call(camera_id, response.status_code, time.monotonic() - started)


async def keep_calling(client: httpx.AsyncClient, photo: bytes, prefix: str, until: asyncio.Event) -> list[Call]:
    calls: list[Call] = []
    while not until.is_set():
        calls.append(await call(client, photo, f"{prefix}.{len(calls)}"))
        if calls[-1].status != 200:
            await asyncio.sleep(0.05)
    return calls


async def calls_around_a_kill(stack: Stack, photo: bytes, victim: str) -> list[Call]:
    """What became of the requests of several callers before, during and after `victim` was killed."""
    over = asyncio.Event()
    timeout = httpx.Timeout(DEADLINE + 3 * MARGIN)
    async with httpx.AsyncClient(base_url=stack.base_url, trust_env=False, timeout=timeout) as client:
        run = f"{victim}-{time.time_ns()}"
        callers = [
            asyncio.create_task(keep_calling(client, photo, f"{run}-{number}", over)) for number in range(CALLERS)
        ]
        await asyncio.sleep(1.0 + random.random())
        pid = stack.kill(victim)
        await asyncio.to_thread(stack.wait_until_ready, victim, pid)
        await asyncio.sleep(1.0)
        over.set()
        calls = [call for calls in await asyncio.gather(*callers) for call in calls]
        last = await call(client, photo, f"{run}-last")
    assert last.status == 200, "the system works again"
    return [*calls, last]


async def nothing_is_left(js: JetStreamContext) -> None:
    """Waits until every queue is empty; what a killed worker held comes back after `ack_wait`.

    Not so PARTS: those of a job that nobody waits for any more go by their age.
    """
    left: dict[str, int] = {}
    for _ in range(200):
        states = {name: (await js.stream_info(name)).state for name in (topology.JOBS, topology.CROPS)}
        left = {name: state.messages for name, state in states.items() if state.messages}
        if not left:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"messages are left: {left}")


async def results_of(js: JetStreamContext, calls: list[Call]) -> Counter[str]:
    """How many results each call has, by camera id."""
    info = await js.stream_info(topology.RESULTS, subjects_filter=subjects.ALL_RESULTS)
    counts: Counter[str] = Counter()
    for subject, count in (info.state.subjects or {}).items():
        counts[subjects.decode(subject.split(".")[2])] += count
    return Counter({call.camera_id: counts[call.camera_id] for call in calls})


async def check(js: JetStreamContext, calls: list[Call]) -> None:
    """Every call that was answered with 200 has exactly one result, no call has two, and no queue holds anything."""
    await nothing_is_left(js)
    results = await results_of(js, calls)
    assert {call.camera_id for call in calls if call.status == 200 and results[call.camera_id] != 1} == set()
    assert {camera_id for camera_id, count in results.items() if count > 1} == set()
    assert max(call.seconds for call in calls) < DEADLINE + MARGIN


@pytest.mark.parametrize("victim", ["detector", "ocr", "attributes", "aggregator", "webhook_svc"])
async def test_a_killed_stage_loses_no_photo(stack: Stack, js: JetStreamContext, photo: Path, victim: str) -> None:
    """NATS gives its jobs to the next process in time: nobody notices but by waiting."""
    calls = await calls_around_a_kill(stack, photo.read_bytes(), victim)
    assert {call.status for call in calls} == {200}
    await check(js, calls)


@pytest.mark.parametrize("victim", ["nats-server", "triton"])
async def test_without_an_engine_the_answer_is_late_or_an_honest_503(
    stack: Stack, js: JetStreamContext, photo: Path, victim: str
) -> None:
    calls = await calls_around_a_kill(stack, photo.read_bytes(), victim)
    assert {call.status for call in calls} <= {200, 503}
    await check(js, calls)


async def test_a_killed_gateway_breaks_only_its_connections(stack: Stack, js: JetStreamContext, photo: Path) -> None:
    calls = await calls_around_a_kill(stack, photo.read_bytes(), "gateway")
    assert {call.status for call in calls} <= {200, 503, 0}
    await check(js, calls)


async def test_nats_may_come_back_without_its_files(stack: Stack, js: JetStreamContext, photo: Path) -> None:
    """`platelane up` makes the streams again; what they held is gone, and everything else works on."""
    shutil.rmtree(stack.state_dir / "nats" / "jetstream")
    pid = stack.kill("nats-server")
    await asyncio.to_thread(stack.wait_until_ready, "nats-server", pid)
    await asyncio.to_thread(stack.wait_until_all_ready)

    async with httpx.AsyncClient(base_url=stack.base_url, trust_env=False, timeout=DEADLINE + MARGIN) as client:
        again = await call(client, photo.read_bytes(), f"wiped-{time.time_ns()}")
    assert again.status == 200
    await check(js, [again])
