"""Three nats-servers with every stream on all of them: one may fail without consequences."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from platelane.bus import Bus, MessageInfo, Worker, subjects, topology
from platelane.bus.apply import Action
from platelane.bus.parts import Parts
from platelane.pb.v1.stages_pb2 import Job, Part, Reply, Result
from platelane.runtime.settings import Settings
from platelane.usage import CallCounter, month_of
from tests.support import Caller, NatsServer, apply_topology, eventually, free_port, job, running, stored

NOW = datetime.now(UTC)
MONTH = month_of(NOW)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[list[NatsServer]]:
    ports = [free_port() for _ in range(3)]
    routes = ",".join(f"nats://127.0.0.1:{port}" for port in ports)
    servers = [NatsServer(tmp_path / f"nats-{number}") for number in range(3)]
    for server, port in zip(servers, ports, strict=True):
        server.start(
            "-n", f"n{port}", "--cluster_name", "c", "--cluster", f"nats://127.0.0.1:{port}", "--routes", routes
        )
    yield servers
    for server in servers:
        server.kill()


@contextlib.asynccontextmanager
async def connected(settings: Settings, number: int) -> AsyncIterator[list[Bus]]:
    buses = await asyncio.gather(*(Bus.connect(settings, f"{index}") for index in range(number)))
    try:
        yield buses
    finally:
        await asyncio.gather(*(bus.close() for bus in buses))


async def test_a_killed_server_of_three_loses_nothing(cluster: list[NatsServer]) -> None:
    settings = Settings(nats_url=",".join(server.url for server in cluster), nats_replicas=3, ack_wait=1, deadline=30)
    await apply_topology(settings)
    async with connected(settings, 3) as (gateway, detector, aggregator):
        await keep_going(cluster, gateway, detector, aggregator)


async def keep_going(cluster: list[NatsServer], gateway: Bus, detector: Bus, aggregator: Bus) -> None:
    caller = Caller(gateway)
    await caller.listen()
    jobs = {f"job-{number}" for number in range(40)}

    async def detect(work: Job, _info: MessageInfo) -> None:
        job_id = work.context.id
        for stage in (subjects.DETECTION, subjects.PLATES):
            await detector.publish(subjects.part(job_id, stage), Part(context=work.context), f"{job_id}.{stage}")

    async def aggregate(part: Part, _info: MessageInfo) -> None:
        job_id = part.context.id
        if len(await Parts(aggregator).of(part.context)) < 2:
            return
        calls = await CallCounter(aggregator).count("account", NOW, job_id)
        await aggregator.publish(subjects.result("cam", job_id), Result(), f"{job_id}.final")
        await aggregator.send(part.context.reply_subject, Reply(job_id=job_id, calls=calls))
        await Parts(aggregator).forget(part.context)

    workers = (
        Worker(detector, topology.DETECTOR, Job, detect, 4),
        Worker(aggregator, topology.AGGREGATOR, Part, aggregate, 4),
    )
    async with running(*(worker.run for worker in workers)):
        for number, job_id in enumerate(sorted(jobs)):
            if number == 10:
                cluster[1].kill()
            await gateway.publish(subjects.DETECT, job(job_id, reply_subject=caller.subject, seconds=30), job_id)
        answered: set[str] = set()
        while answered < jobs:
            answered.add((await caller.reply()).job_id)

        async def settled() -> bool:
            left = [await stored(gateway, stream) for stream in (topology.JOBS, topology.RESULTS, topology.DEAD)]
            return left == [0, len(jobs), 0]

        await eventually(settled)

    assert await CallCounter(gateway).counted("account", MONTH) == len(jobs)


@pytest.mark.parametrize("copies", [1, 3])
async def test_partitions_are_led_by_different_servers(cluster: list[NatsServer], copies: int) -> None:
    settings = Settings(
        nats_url=",".join(server.url for server in cluster),
        nats_replicas=3,
        nats_work_replicas=copies,
        nats_partitions=3,
        deadline=30,
    )
    await apply_topology(settings)
    async with connected(settings, 1) as (bus,):
        handled: set[str] = set()

        async def handler(work: Job, _info: MessageInfo) -> None:
            handled.add(work.context.id)

        async with running(Worker(bus, topology.DETECTOR, Job, handler, 3).run):
            for number in range(12):
                await bus.publish_job_message(subjects.DETECT, job(f"{number}"))

            async def all_handled() -> bool:
                return len(handled) == 12

            await eventually(all_handled)

        async def divided() -> bool:
            manager = bus.client.jsm(timeout=5)
            for stream in topology.WORK:
                infos = [await manager.stream_info(name) for name in topology.partitions(stream, settings)]
                if len({info.cluster.leader for info in infos if info.cluster}) < 3:
                    return False
                if any(info.cluster and len(info.cluster.replicas or ()) != copies - 1 for info in infos):
                    return False
            return True

        await eventually(divided)
    assert Action.MOVED not in {change.action for change in await apply_topology(settings)}
