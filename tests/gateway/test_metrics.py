"""What real processes report to Prometheus on their health pages."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from platelane.bus import Bus, MessageInfo, Worker, subjects, topology
from platelane.client import PlateReader
from platelane.errors import BadImage
from platelane.pb.v1 import stages_pb2
from platelane.runtime.health import HealthPage
from platelane.runtime.settings import Settings
from tests.support import apply_topology, free_port

from .conftest import BROKEN_CAMERA, PATIENCE, NatsServer, running_gateway, running_nats

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parsed(text: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((f"platelane_{name}", frozenset(labels.items())), 0.0)


async def test_a_gateway_counts_requests_and_errors_by_kind(served: NatsServer, picture: bytes) -> None:
    health, port = free_port(), free_port()
    with running_gateway(served, health_port=health, grpc_port=port) as gateway, gateway.client() as client:
        for camera in ("gate", BROKEN_CAMERA):
            client.post("/v1/plate-reader/", data={"camera_id": camera}, files={"upload": ("car.jpg", picture)})
        client.get("/nothing")
        async with PlateReader(f"127.0.0.1:{port}") as reader:
            await reader.recognize(picture)
            with pytest.raises(BadImage):
                await reader.recognize(picture, camera_id=BROKEN_CAMERA)
        response = client.get(f"http://127.0.0.1:{health}/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    samples = parsed(response.text)
    for labels, count in (
        ({"edge": "rest", "method": "POST", "status": "200"}, 1),
        ({"edge": "rest", "method": "POST", "status": "400"}, 1),
        ({"edge": "rest", "method": "GET", "status": "404"}, 1),
        ({"edge": "grpc", "method": "Recognize", "status": "OK"}, 1),
        ({"edge": "grpc", "method": "Recognize", "status": "INVALID_ARGUMENT"}, 1),
    ):
        assert value(samples, "request_seconds_count", **labels) == count, labels
    assert value(samples, "stage_seconds_count", stage="gateway") == 4
    assert value(samples, "errors_total", stage="gateway", kind="BadImage") == 2
    assert value(samples, "in_flight", stage="gateway") == 0


async def test_queues_are_measured_when_somebody_asks(tmp_path: Path) -> None:
    with running_nats(tmp_path) as nats:
        settings = Settings(nats_url=nats.url, in_flight=2, ack_wait=30)
        await apply_topology(settings)
        bus = await Bus.connect(settings, "test")
        stop, go_on = asyncio.Event(), asyncio.Event()

        async def handler(_job: stages_pb2.Job, _info: MessageInfo) -> None:
            await go_on.wait()

        server = await HealthPage().serve("127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/metrics"
        working = asyncio.create_task(Worker(bus, topology.DETECTOR, stages_pb2.Job, handler, 2).run(stop))
        async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as client:

            async def queue() -> tuple[float, float, float]:
                samples = parsed((await client.get(url)).text)
                return (
                    value(samples, "queue_messages", consumer="detector", state="waiting"),
                    value(samples, "queue_messages", consumer="detector", state="working"),
                    value(samples, "in_flight", stage="detector"),
                )

            for number in range(7):
                await bus.publish(subjects.DETECT, stages_pb2.Job(), str(number))
            async with asyncio.timeout(PATIENCE):
                while await queue() != (5, 2, 2):
                    await asyncio.sleep(0.05)
                go_on.set()
                while await queue() != (0, 0, 0):
                    await asyncio.sleep(0.05)
            nats.stop()
            assert 'platelane_queue_messages{consumer="detector",' not in (await client.get(url)).text
            nats.start()
            async with asyncio.timeout(PATIENCE):
                while 'platelane_queue_messages{consumer="detector",' not in (await client.get(url)).text:
                    await asyncio.sleep(0.1)
        stop.set()
        await working
        server.close()
        await bus.close()
