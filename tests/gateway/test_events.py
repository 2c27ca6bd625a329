"""`/v1/results/` and `/v1/events/` of a real gateway, over results on a real nats-server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from gateway.http.events import MOST_OF_CLIENT
from platelane.bus import Bus, subjects
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.runtime.settings import Settings

from .conftest import Gateway, NatsServer, running_gateway, running_nats


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with running_nats(tmp_path_factory.mktemp("events")) as server:
        yield server


@pytest.fixture
def gateway(server: NatsServer) -> Iterator[Gateway]:
    with running_gateway(server) as gateway:
        yield gateway


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=10, limits=limits) as client:
        yield client


@pytest.fixture
async def bus(server: NatsServer) -> AsyncIterator[Bus]:
    bus = await Bus.connect(Settings(nats_url=server.url), "test")
    yield bus
    await bus.close()


async def see(bus: Bus, number: int, camera: str = "gate", plate: str = "") -> None:
    """A result of second `number`."""
    sightings = [domain_pb2.Sighting(plate=domain_pb2.Plate(text=plate, text_score=0.9))] if plate else []
    recognition = domain_pb2.Recognition(
        id=f"job{number}",
        camera_id=camera,
        timestamp_us=number * 1_000_000,
        sightings=sightings,
        image_width=64,
        image_height=48,
    )
    result = stages_pb2.Result(recognition=recognition, account="everybody")
    await bus.publish(subjects.result(camera, f"job{number}"), result, f"{number}.final")


async def pages(client: httpx.AsyncClient, **parameters: str | int) -> list[list[str]]:
    """The ids on all pages."""
    found, address = [], "/v1/results/?" + str(httpx.QueryParams(parameters))
    while address:
        page = (await client.get(address)).raise_for_status().json()
        found.append([result["id"] for result in page["results"]])
        address = page["next"]
    return found


async def test_pages_newest_first(client: httpx.AsyncClient, bus: Bus) -> None:
    for number in range(7):
        await see(bus, number)
    assert await pages(client, page_size=3) == [["job6", "job5", "job4"], ["job3", "job2", "job1"], ["job0"]]


async def test_nothing_yet(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/results/")).json() == {"results": [], "next": None}


async def test_what_is_wanted(client: httpx.AsyncClient, bus: Bus) -> None:
    await see(bus, 1, "north gate", "abc123")
    await see(bus, 2, "south", "abd123")
    await see(bus, 3, "south", "xyz999")
    await see(bus, 4, "south")
    assert await pages(client, camera_id="north gate") == [["job1"]]
    assert await pages(client, plate="AB") == [["job2", "job1"]]
    assert await pages(client, plate="?b?1*") == [["job2", "job1"]]
    assert await pages(client, plate="*9", camera_id="south") == [["job3"]]
    assert await pages(client, plate="b") == [[]]
    assert await pages(client, since="1970-01-01T00:00:02Z", until="1970-01-01T00:00:04") == [["job3", "job2"]]


async def test_rare_camera_among_many(client: httpx.AsyncClient, bus: Bus) -> None:
    for number in range(3):
        await see(bus, number, "rare")
    for number in range(10, 1500):
        await see(bus, number, "busy")
    await see(bus, 2000, "rare")
    assert [each for page in await pages(client, camera_id="rare") for each in page] == [
        "job2000",
        "job2",
        "job1",
        "job0",
    ]
    busy = [each for page in await pages(client, camera_id="busy", page_size=200) for each in page]
    assert busy == [f"job{number}" for number in reversed(range(10, 1500))]


@pytest.mark.parametrize("path", ["/v1/results/", "/v1/events/", "/v1/webhooks/"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://["])
async def test_pages_of_other_sites_read_nothing(client: httpx.AsyncClient, path: str, origin: str) -> None:
    assert (await client.get(path, headers={"Origin": origin})).status_code == 403


@pytest.mark.parametrize(
    "path",
    ["/v1/results/", "/v1/events", "/v1//webhooks/1/test", "/v1/zones/gate", "/v1/statistics/", "/info/", "/v1/new"],
)
async def test_a_name_that_others_let_point_here_reads_nothing(client: httpx.AsyncClient, path: str) -> None:
    for host in ("evil.example", "evil.example:8080", "127.0.0.1.evil.example"):
        for headers in ({"Host": host}, {"Host": host, "Origin": f"http://{host}"}):
            response = await client.get(path, headers=headers)
            assert response.status_code == 403
            assert "PLATELANE_ALLOWED_HOSTS" in response.json()["error"]


async def test_names_that_are_allowed_and_paths_for_everybody(server: NatsServer, client: httpx.AsyncClient) -> None:
    with running_gateway(server, allowed_hosts="plates.example.com, *.svc") as gateway:
        for host in ("plates.example.com:8080", "gateway.default.svc", "localhost", "[::1]:80", "10.0.0.1"):
            headers = {"Host": host, "Origin": f"http://{host}"}
            assert httpx.get(f"{gateway.url}/v1/results/", headers=headers, trust_env=False).status_code == 200
    for path in ("/", "/docs", "/openapi.json"):
        assert (await client.get(path, headers={"Host": "evil.example"})).status_code == 200
    for path in ("/v1/plate-reader/", "/v1/blur/", "/alpr"):
        answer = await client.post(path, headers={"Host": "evil.example", "Origin": "https://evil.example"}, json={})
        assert answer.status_code == 400  # there is no image


async def test_one_address_has_so_many_streams(gateway: Gateway, client: httpx.AsyncClient) -> None:
    async with AsyncExitStack() as opened:
        held = []  # a stream whose lines nobody reads any more is closed
        for _ in range(MOST_OF_CLIENT):
            stream = await opened.enter_async_context(client.stream("GET", "/v1/events"))
            held.append(stream.aiter_lines())
            await anext(held[-1])
        refused = await client.get("/v1/events")
        assert refused.status_code == 503
        assert refused.headers["retry-after"]
        assert f"already has {MOST_OF_CLIENT} open event streams" in refused.json()["error"]
        elsewhere = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
        async with (
            httpx.AsyncClient(base_url=gateway.url, transport=elsewhere, timeout=10) as other,
            other.stream("GET", "/v1/events") as stream,
        ):
            assert stream.status_code == 200


@pytest.mark.parametrize("wrong", [{"since": "yesterday"}, {"before": "x"}, {"page_size": "-1"}, {"plate": "---"}])
async def test_nonsense(client: httpx.AsyncClient, wrong: dict[str, str]) -> None:
    response = await client.get("/v1/results/", params=wrong)
    assert response.status_code == 400
    assert next(iter(wrong)) in response.json()["detail"]


async def events(lines: AsyncIterator[str], count: int) -> list[dict[str, Any]]:
    """The next events, each with the id it was sent under."""
    found: list[dict[str, Any]] = []
    number = ""
    async for line in lines:
        if line.startswith("id: "):
            number = line.removeprefix("id: ")
        if line.startswith("data: "):
            found.append(json.loads(line.removeprefix("data: ")) | {"number": number})
            if len(found) == count:
                break
    return found


async def test_events_as_they_come_and_again(client: httpx.AsyncClient, bus: Bus) -> None:
    await see(bus, 1)
    async with client.stream("GET", "/v1/events/") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.aiter_lines()
        assert await anext(lines) == "retry: 1000"
        for number in range(2, 5):
            await see(bus, number, plate="abc123")
        fresh = await events(lines, 3)
    await see(bus, 5, "other")
    async with client.stream("GET", "/v1/events/", headers={"Last-Event-ID": fresh[0]["number"]}) as response:
        again = await events(response.aiter_lines(), 3)
    async with client.stream("GET", "/v1/events/?camera_id=other", headers={"Last-Event-ID": "0"}) as response:
        (other,) = await events(response.aiter_lines(), 1)

    assert [each["id"] for each in fresh] == ["job2", "job3", "job4"]
    assert fresh[0]["results"][0]["plate"] == "abc123"
    assert [each["id"] for each in again] == ["job3", "job4", "job5"]
    assert other["id"] == "job5"


async def test_listeners_survive_nats(client: httpx.AsyncClient, bus: Bus, server: NatsServer) -> None:
    async with client.stream("GET", "/v1/events/") as response:
        lines = response.aiter_lines()
        await anext(lines)
        server.stop()
        server.start()
        await see(bus, 1)
        (seen,) = await events(lines, 1)
    assert seen["id"] == "job1"


async def test_gateway_with_listeners_stops(server: NatsServer) -> None:
    with running_gateway(server) as gateway:
        client = httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=10)
        async with client, client.stream("GET", "/v1/events/") as response:
            gateway.process.terminate()
            gateway.process.wait(3)
            assert [line async for line in response.aiter_lines()] == ["retry: 1000", ""]
