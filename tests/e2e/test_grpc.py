"""The gRPC service of the whole running system reads what REST reads, and notifies subscribers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx

from platelane.client import PlateReader, request
from platelane.pb.v1 import domain_pb2

from .conftest import Stack

PATIENCE = 30.0


async def test_all_methods_read_the_sample(stack: Stack, photo: Path) -> None:
    with httpx.Client(base_url=stack.base_url, timeout=PATIENCE, trust_env=False) as client:
        answer = client.post("/v1/plate-reader/", files={"upload": ("gate.jpg", photo.read_bytes())}).json()
    expected = [result["plate"] for result in answer["results"]]
    assert expected

    def plates(recognition: domain_pb2.Recognition) -> list[str]:
        return [sighting.plate.text for sighting in recognition.sightings]

    async with PlateReader(stack.state.grpc_address) as reader, asyncio.timeout(PATIENCE):
        subscriber = asyncio.ensure_future(anext(reader.subscribe("grpc-stream")))
        await asyncio.sleep(1)
        recognition = await reader.recognize(photo.read_bytes(), camera_id="grpc", timeout=PATIENCE)
        assert plates(recognition) == expected
        requests = [request(photo.read_bytes(), str(number), camera_id="grpc-stream") for number in range(5)]
        outcomes = {name: outcome async for name, outcome in reader.recognize_all(requests)}
        assert set(outcomes) == {"0", "1", "2", "3", "4"}
        for outcome in outcomes.values():
            assert isinstance(outcome, domain_pb2.Recognition)
            assert plates(outcome) == expected
        assert plates(await subscriber) == expected
