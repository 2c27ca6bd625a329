"""`platelane up --scale`: every replica of a stage gets its share of the work, and nothing is done twice."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from platelane.local.programs import WORKERS
from tests.e2e.conftest import Stack, running_stack

PHOTOS = 48
CALLERS = 8
STAGES = {"detector": 1, "ocr": 1, "attributes": 1, "aggregator": 3}
"""Messages a photograph: the aggregator is told of every part."""


def samples(stack: Stack, process: str, metric: str) -> list[Sample]:
    """What a process says of a metric."""
    page = stack.state.processes[process].ready_url.replace("/readyz", "/metrics")
    families = text_string_to_metric_families(httpx.get(page, trust_env=False).raise_for_status().text)
    return [sample for family in families for sample in family.samples if sample.name == metric]


def handled(stack: Stack, process: str) -> dict[str, int]:
    """Messages that a process has worked on, by stage."""
    counts = samples(stack, process, "platelane_stage_seconds_count")
    return {sample.labels["stage"]: int(sample.value) for sample in counts}


def wait_until_idle(stack: Stack, processes: list[str]) -> None:
    """An answer leaves before the last message about its photograph is done with."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        queues = [sample for process in processes for sample in samples(stack, process, "platelane_queue_messages")]
        if {sample.labels["consumer"] for sample in queues} >= STAGES.keys() and not any(s.value for s in queues):
            return
        time.sleep(0.1)
    raise AssertionError(f"messages are left: {queues}")


async def read(stack: Stack, photo: bytes) -> list[str]:
    plates: list[str] = []
    left = iter(range(PHOTOS))

    async def caller(client: httpx.AsyncClient) -> None:
        for _ in left:
            answer = await client.post("/v1/plate-reader/", files={"upload": photo}, data={"mmc": "true"})
            plates.extend(result["plate"] for result in answer.raise_for_status().json()["results"])

    async with httpx.AsyncClient(base_url=stack.base_url, trust_env=False, timeout=30) as client:
        await asyncio.gather(*(caller(client) for _ in range(CALLERS)))
    return plates


@pytest.mark.timeout(300)
def test_two_of_each_stage_share_the_work(tmp_path: Path, photo: Path) -> None:
    scale = [word for worker in WORKERS for word in ("--scale", f"{worker}=2")]
    # on a busy machine a photograph may wait long for its turn, and is not to be given to another meanwhile
    with running_stack(tmp_path, *scale, settings={"DEADLINE": "60", "ACK_WAIT": "60"}) as stack:
        names = [f"{worker}-{number}" for worker in WORKERS for number in (1, 2)]
        wait_until_idle(stack, names)
        before = {name: handled(stack, name) for name in names}
        plates = asyncio.run(read(stack, photo.read_bytes()))
        assert len(plates) == PHOTOS
        assert len(set(plates)) == 1
        wait_until_idle(stack, names)
        for stage, messages in STAGES.items():
            after = [handled(stack, name) for name in names]
            done = [now.get(stage, 0) - before[name].get(stage, 0) for name, now in zip(names, after, strict=True)]
            shares = [count for count in done if count]
            assert len(shares) == 2, f"{stage}: {done}"
            assert sum(shares) == PHOTOS * messages
