"""The gRPC service of real gateways: what arrives, in which order, what stops it, and how errors are reported."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from gateway.grpc.plate_reader import STREAM_IN_FLIGHT, STREAMS_OF_CLIENT
from gateway.result_feed import ResultFeed
from platelane.bus import Bus, subjects
from platelane.client import PlateReader, Request, request
from platelane.errors import (
    BadImage,
    BadRequest,
    DeadlineExceeded,
    EngineUnavailable,
    Forbidden,
    Overloaded,
    PlatelaneError,
    Throttled,
    UploadTooLarge,
)
from platelane.grpc_status import DETAILS_KEY
from platelane.pb.v1 import domain_pb2, service_pb2, service_pb2_grpc, stages_pb2
from platelane.runtime.settings import LARGEST_UPLOAD, Settings
from tests.support import free_port

from .conftest import (
    BROKEN_CAMERA,
    DEADLINE,
    PATIENCE,
    SILENT_CAMERA,
    SLOW,
    SLOW_CAMERA,
    Gateway,
    NatsServer,
    digest,
    running_gateway,
)


@dataclass(frozen=True)
class Served:
    gateway: Gateway
    nats: NatsServer
    address: str


@pytest.fixture(scope="module")
def sdk(served: NatsServer) -> Iterator[Served]:
    port = free_port()
    with running_gateway(served, grpc_port=port) as gateway:
        yield Served(gateway, served, f"127.0.0.1:{port}")


@pytest.fixture
async def reader(sdk: Served) -> AsyncIterator[PlateReader]:
    async with PlateReader(sdk.address) as reader:
        yield reader


@pytest.fixture
async def bus(served: NatsServer) -> AsyncIterator[Bus]:
    bus = await Bus.connect(Settings(nats_url=served.url), "test")
    yield bus
    await bus.close()


def plate(recognition: domain_pb2.Recognition | PlatelaneError) -> str:
    assert isinstance(recognition, domain_pb2.Recognition), recognition
    return recognition.sightings[0].plate.text


async def test_one_picture(reader: PlateReader, picture: bytes) -> None:
    options = domain_pb2.Options(regions=["GB", "de"], make_model_color=True, threshold_text=0.3)
    recognition = await reader.recognize(picture, camera_id="gate", filename="car.jpg", options=options)
    assert plate(recognition) == digest(picture)
    assert (recognition.camera_id, recognition.filename) == ("gate", "car.jpg")
    assert abs(recognition.timestamp_us / 1e6 - time.time()) < PATIENCE
    assert list(recognition.options.regions) == ["gb", "de"]
    assert recognition.options.make_model_color
    assert recognition.options.threshold_text == pytest.approx(0.3)


async def test_numbers_that_are_left_out_are_the_defaults_of_rest(reader: PlateReader, picture: bytes) -> None:
    for options in (None, domain_pb2.Options(vehicles=True)):
        used = (await reader.recognize(picture, options=options)).options
        assert used.threshold_detection == pytest.approx(0.2)
        assert used.threshold_text == pytest.approx(0.6)
        assert not used.HasField("plates_per_vehicle")
        assert not used.HasField("zoom_in_vehicles")
        assert used.vehicles == (options is not None)
    none = await reader.recognize(picture, options=domain_pb2.Options(zoom_in_vehicles=0, threshold_detection=0))
    assert (none.options.zoom_in_vehicles, none.options.threshold_detection) == (0, 0)


async def test_a_slow_picture_holds_up_no_other(reader: PlateReader, picture: bytes) -> None:
    async def pictures() -> AsyncIterator[Request]:
        yield request(picture, "slow", camera_id=SLOW_CAMERA)
        for number in range(40):
            yield request(picture + bytes([number]), str(number))

    started = time.monotonic()
    came: dict[str, str] = {}
    fast = 0.0
    async for request_id, outcome in reader.recognize_all(pictures()):
        came[request_id] = plate(outcome)
        if len(came) == 40:
            fast = time.monotonic() - started
    assert list(came)[-1] == "slow"
    assert fast < SLOW
    assert came == {"slow": digest(picture)} | {str(n): digest(picture + bytes([n])) for n in range(40)}


async def test_an_error_in_a_stream_is_one_pictures(reader: PlateReader, picture: bytes) -> None:
    pictures = [
        request(picture, "good"),
        request(b"", "none"),
        request(b"GIF89a but no more", "cut"),
        request(picture, "broken", camera_id=BROKEN_CAMERA),
        request(picture, "late", camera_id=SILENT_CAMERA),
        request(bytes(LARGEST_UPLOAD + 1), "large"),
        request(picture),
    ]
    outcomes = {request_id: outcome async for request_id, outcome in reader.recognize_all(pictures)}
    assert plate(outcomes.pop("good")) == digest(picture)
    assert {request_id: type(outcome) for request_id, outcome in outcomes.items()} == {
        "none": BadImage,
        "cut": BadImage,
        "broken": BadImage,
        "late": DeadlineExceeded,
        "large": UploadTooLarge,
        "": BadRequest,
    }
    assert str(outcomes["broken"]) == "The image is broken or cut off."


async def test_a_stream_takes_no_more_than_it_can_work_on(reader: PlateReader, picture: bytes) -> None:
    taken = 0

    async def pictures() -> AsyncIterator[Request]:
        nonlocal taken
        for number in range(100):
            taken += 1
            yield request(picture + bytes(1_000_000), str(number), camera_id=SILENT_CAMERA)

    answer = asyncio.ensure_future(anext(reader.recognize_all(pictures())))
    await asyncio.sleep(1.5)
    assert not answer.done()
    assert STREAM_IN_FLIGHT <= taken <= 5 * STREAM_IN_FLIGHT  # the rest are on their way, as far as gRPC's window goes
    answer.cancel()


async def test_the_callers_deadline_is_the_jobs(sdk: Served, bus: Bus, picture: bytes) -> None:
    job = asyncio.get_running_loop().create_future()

    async def see(data: bytes) -> None:
        seen = stages_pb2.Job.FromString(data)
        if seen.context.filename == "hurry.jpg":
            job.set_result(seen)

    await bus.subscribe(subjects.DETECT, see)
    async with PlateReader(sdk.address) as reader:
        with pytest.raises(DeadlineExceeded):
            await reader.recognize(picture, camera_id=SILENT_CAMERA, filename="hurry.jpg", timeout=0.7)
        context = (await job).context
        assert 0.1 < (context.deadline_us - context.accepted_us) / 1e6 <= 0.7
        with pytest.raises(DeadlineExceeded, match=f"within {DEADLINE:g} seconds"):
            await reader.recognize(picture, camera_id=SILENT_CAMERA, timeout=60)


async def test_cancelling_a_call_cancels_its_job(sdk: Served, bus: Bus, picture: bytes) -> None:
    cancelled: asyncio.Queue[bytes] = asyncio.Queue()
    jobs: asyncio.Queue[str] = asyncio.Queue()
    await bus.subscribe(subjects.CANCELLED, cancelled.put)

    async def see(data: bytes) -> None:
        await jobs.put(stages_pb2.Job.FromString(data).context.id)

    await bus.subscribe(subjects.DETECT, see)
    async with PlateReader(sdk.address) as reader:
        for stream in (False, True):
            pictures = [request(picture, "1", camera_id=SILENT_CAMERA)]
            call = asyncio.ensure_future(
                anext(reader.recognize_all(pictures)) if stream else reader.recognize(picture, camera_id=SILENT_CAMERA)
            )
            job_id = await asyncio.wait_for(jobs.get(), PATIENCE)
            assert cancelled.empty()
            call.cancel()
            assert await asyncio.wait_for(cancelled.get(), 1.0) == job_id.encode()


async def test_subscribers_get_what_is_stored_from_then_on(sdk: Served, bus: Bus) -> None:
    async def store(name: str, camera_id: str, account: str = "everybody") -> None:
        recognition = domain_pb2.Recognition(id=name, camera_id=camera_id)
        message = stages_pb2.Result(recognition=recognition, account=account)
        await bus.publish(subjects.result(camera_id, name), message, f"{name}.final")

    run = str(time.time_ns())
    await store(f"{run}-before", "north")
    async with grpc.aio.insecure_channel(sdk.address) as channel:
        stub = service_pb2_grpc.PlateReaderStub(channel)  # type: ignore[no-untyped-call]
        wanted = [[], ["north"], ["north", "süd.tor"]]
        calls = [stub.Subscribe(service_pb2.SubscribeRequest(camera_ids=cameras)) for cameras in wanted]
        for call in calls:
            await call.initial_metadata()
        for number in range(100):
            await store(f"{run}-{number}", ("north", "süd.tor", "west")[number % 3])
        await store(f"{run}-other", "north", account="somebody")
        await store(f"{run}-end", "north")
        for call, cameras in zip(calls, wanted, strict=True):
            ids: list[str] = []
            async with asyncio.timeout(PATIENCE):
                while not ids or not ids[-1].endswith("end"):
                    ids.append((await call.read()).id)
            cameras_in_turn = ("north", "süd.tor", "west")
            expected = [n for n in range(100) if not cameras or cameras_in_turn[n % 3] in cameras]
            assert ids == [f"{run}-{n}" for n in [*expected, "end"]]


async def test_following_results_ends_with_the_connection(served: NatsServer) -> None:
    bus = await Bus.connect(Settings(nats_url=served.url), "test")
    feed = ResultFeed(bus, asyncio.Event())
    await bus.close()
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(EngineUnavailable):
            await anext(feed.follow(1, frozenset(), 1.0))


async def test_tokens_and_their_limits(served: NatsServer, picture: bytes) -> None:
    port = free_port()
    with running_gateway(
        served, grpc_port=port, profile="cloud", tokens="grpc-one,grpc-two", rate_limit=1, max_calls=3
    ):
        for token in ("", "wrong"):
            async with PlateReader(f"127.0.0.1:{port}", token) as reader:
                with pytest.raises(Forbidden, match="Invalid token"):
                    await reader.recognize(picture)
                with pytest.raises(Forbidden, match="Invalid token"):
                    await anext(reader.recognize_all([request(picture, "1")]))
                with pytest.raises(Forbidden, match="Invalid token"):
                    await anext(reader.subscribe())
        async with PlateReader(f"127.0.0.1:{port}", "grpc-one") as reader:
            refused: list[Exception] = []
            read = 0
            async with asyncio.timeout(PATIENCE):
                while not any(isinstance(error, Forbidden) for error in refused):
                    try:
                        await reader.recognize(picture)
                    except PlatelaneError as error:
                        refused.append(error)
                    else:
                        read += 1
        assert read == 3
        assert any(isinstance(error, Throttled) and error.retry_after == 1 for error in refused)


async def test_errors_have_details(sdk: Served, picture: bytes) -> None:
    async with grpc.aio.insecure_channel(sdk.address) as channel:
        stub = service_pb2_grpc.PlateReaderStub(channel)  # type: ignore[no-untyped-call]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Recognize(request(picture, camera_id=SILENT_CAMERA), timeout=60)
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        trailers: Any = caught.value.trailing_metadata()
        status = Status.FromString(trailers[DETAILS_KEY])
        info, retry = ErrorInfo(), RetryInfo()
        assert status.details[0].Unpack(info)
        assert status.details[1].Unpack(retry)
        assert (info.domain, info.reason, retry.retry_delay.seconds) == ("platelane", "DEADLINE_EXCEEDED", 1)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Recognize(service_pb2.RecognizeRequest(image=bytes(33_100_000)))
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_full_gateway_says_so(served: NatsServer, picture: bytes) -> None:
    port = free_port()
    with running_gateway(served, grpc_port=port, http_in_flight=1):
        async with PlateReader(f"127.0.0.1:{port}") as reader:
            slow = asyncio.create_task(reader.recognize(picture, camera_id=SLOW_CAMERA))
            await asyncio.sleep(SLOW / 2)
            with pytest.raises(Overloaded):
                await reader.recognize(picture)
            assert plate(await slow) == digest(picture)
            assert plate(await reader.recognize(picture)) == digest(picture)


async def test_a_call_without_a_request_holds_its_place_for_a_moment_only(served: NatsServer) -> None:
    port = free_port()
    with running_gateway(served, grpc_port=port, upload_timeout=0.5):
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as opened:
            channel: Any = opened
            calls = [
                channel.stream_unary("/platelane.v1.PlateReader/Recognize")(),
                channel.stream_stream("/platelane.v1.PlateReader/Subscribe")(),
            ]
            for call in calls:
                async with asyncio.timeout(PATIENCE):
                    assert await call.code() == grpc.StatusCode.INVALID_ARGUMENT
                assert await call.details() == "The request did not arrive within 0.5 seconds."
            unsent = channel.stream_unary("/platelane.v1.PlateReader/Recognize")()
            await unsent.done_writing()
            assert await unsent.details() == "The call has no request."


@pytest.mark.parametrize("garbage", [b"\xff", b"\x12\xff\xff\xff\xff\x0f", b"GET / HTTP/1.1", bytes([0x0A, 9, 1])])
async def test_garbage_is_an_invalid_argument(sdk: Served, garbage: bytes) -> None:
    async with grpc.aio.insecure_channel(sdk.address) as opened:
        channel: Any = opened
        for method in (
            *(f"platelane.v1.PlateReader/{name}" for name in ("Recognize", "RecognizeStream", "Subscribe")),
            *("grpc.health.v1.Health/Check", "grpc.health.v1.Health/Watch"),
            "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        ):
            call = channel.stream_stream(f"/{method}")()
            await call.write(garbage)
            async with asyncio.timeout(PATIENCE):
                assert await call.code() == grpc.StatusCode.INVALID_ARGUMENT, method
            assert "is not" in await call.details()


async def test_a_silent_stream_is_ended(served: NatsServer, picture: bytes) -> None:
    port = free_port()
    with running_gateway(served, grpc_port=port, stream_idle=0.5):
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = service_pb2_grpc.PlateReaderStub(channel).RecognizeStream()  # type: ignore[no-untyped-call]
            await call.write(request(picture, "a", camera_id=SLOW_CAMERA))
            assert (await call.read()).request_id == "a", "work is no silence"
            async with asyncio.timeout(PATIENCE):
                assert await call.code() == grpc.StatusCode.INVALID_ARGUMENT
            assert await call.details() == "The stream was silent for 0.5 seconds."


async def test_one_client_has_so_many_streams(sdk: Served) -> None:
    async with grpc.aio.insecure_channel(sdk.address) as channel:
        stub = service_pb2_grpc.PlateReaderStub(channel)  # type: ignore[no-untyped-call]
        wanted = service_pb2.SubscribeRequest(camera_ids=["nobody"])
        calls = [stub.Subscribe(wanted) for _ in range(STREAMS_OF_CLIENT)]
        for each in calls:
            await each.initial_metadata()
        refused = stub.Subscribe(wanted)
        assert await refused.code() == grpc.StatusCode.UNAVAILABLE
        assert f"already has {STREAMS_OF_CLIENT} open subscriptions" in await refused.details()
        for each in calls:
            each.cancel()


@pytest.mark.parametrize(
    "method",
    [
        *(f"platelane.v1.PlateReader/{name}" for name in ("Recognize", "RecognizeStream", "Subscribe")),
        *("grpc.health.v1.Health/Check", "grpc.health.v1.Health/Watch"),
        "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ],
)
async def test_silent_calls_of_one_client_leave_room_for_others(
    served: NatsServer, picture: bytes, method: str
) -> None:
    port = free_port()
    with running_gateway(
        served, grpc_port=port, profile="cloud", tokens="grpc-silent,grpc-other", upload_timeout=10 * PATIENCE
    ):
        address, headers = f"127.0.0.1:{port}", (("authorization", "Token grpc-silent"),)
        async with grpc.aio.insecure_channel(address) as opened, PlateReader(address, "grpc-other") as other:
            channel: Any = opened
            silent = [channel.stream_stream(f"/{method}")(metadata=headers) for _ in range(250)]
            async with asyncio.timeout(PATIENCE):
                refused = next(asyncio.as_completed([call.details() for call in silent]))
                assert "This client already has" in await refused
                assert plate(await other.recognize(picture)) == digest(picture)


async def test_all_who_watch_the_health_learn_of_the_stop(served: NatsServer) -> None:
    port = free_port()
    with running_gateway(served, grpc_port=port) as gateway:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            watches = [stub.Watch(health_pb2.HealthCheckRequest()) for _ in range(3)]
            for watch in watches:
                assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
            watches.pop().cancel()
            unknown = stub.Watch(health_pb2.HealthCheckRequest(service="nobody"))
            assert (await unknown.read()).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
            reflection: Any = channel
            silent = reflection.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")()
            await silent.write(b"")
            await silent.read()
            gateway.process.terminate()
            for call in (*watches, unknown, silent):
                assert await call.code() == grpc.StatusCode.UNAVAILABLE
                assert "stopping" in await call.details()
            assert await asyncio.to_thread(gateway.process.wait, PATIENCE) == 0


async def test_health_and_reflection(sdk: Served) -> None:
    async with grpc.aio.insecure_channel(sdk.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for name in ("", "platelane.v1.PlateReader"):
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
    described = await asyncio.to_thread(_described, sdk.address)
    assert described == {"Recognize", "RecognizeStream", "Subscribe"}


def _described(address: str) -> set[str]:
    with grpc.insecure_channel(address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        assert "platelane.v1.PlateReader" in database.get_services()
        file = database.FindFileContainingSymbol("platelane.v1.PlateReader")
        assert {"google/rpc/status.proto", "platelane/v1/domain.proto"} <= set(file.dependency)
        return {method.name for service in file.service for method in service.method}


async def test_stopping_answers_what_was_taken_and_ends_streams(served: NatsServer, picture: bytes) -> None:
    port = free_port()
    with running_gateway(served, grpc_port=port) as gateway:
        async with PlateReader(f"127.0.0.1:{port}") as reader:

            async def endless() -> AsyncIterator[Request]:
                yield request(picture, "slow", camera_id=SLOW_CAMERA)
                await asyncio.Event().wait()

            answers = reader.recognize_all(endless())
            first = asyncio.ensure_future(anext(answers))
            subscriber = asyncio.ensure_future(anext(reader.subscribe()))
            unary = asyncio.ensure_future(reader.recognize(picture, camera_id=SLOW_CAMERA))
            await asyncio.sleep(SLOW / 2)
            gateway.process.terminate()
            with pytest.raises(EngineUnavailable, match="stopping"):
                await asyncio.wait_for(subscriber, 1)
            assert (await first)[0] == "slow"
            assert plate(await unary) == digest(picture)
            with pytest.raises(EngineUnavailable, match="stopping"):
                await anext(answers)
            assert await asyncio.to_thread(gateway.process.wait, PATIENCE) == 0


def test_a_port_that_is_taken_is_said_so(nats: NatsServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(pytest.fail.Exception, match=f"gRPC service cannot listen on 127.0.0.1:{port}"),
            running_gateway(nats, grpc_port=port),
        ):
            pass
