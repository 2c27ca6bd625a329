"""`platelane.vision.inference` against the real server."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2, service_pb2_grpc

from platelane.errors import DeadlineExceeded, EngineUnavailable, Fault, ModelMismatch
from platelane.vision import shared_inputs
from platelane.vision.inference import InferenceClient
from platelane.vision.model_specs import ModelSpec, Tensor

from .conftest import MAX_BATCH_SIZE, Server, ServerFactory

RANDOM = np.random.default_rng(20)


def images(*shape: int) -> NDArray[np.uint8]:
    return RANDOM.integers(0, 256, shape, dtype=np.uint8)


def soon(seconds: float = 20) -> float:
    return time.time() + seconds


@pytest.mark.parametrize("dtype", ["UINT8", "FP32", "INT64"])
@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (1, 384, 640, 3), (3, 64, 160, 3), (8, 33, 7, 3), (21, 5, 6, 3)])
async def test_every_value_comes_back(
    client: InferenceClient, echo_spec: Callable[[str], ModelSpec], dtype: str, shape: tuple[int, ...]
) -> None:
    numpy_dtype = {"UINT8": np.uint8, "FP32": np.float32, "INT64": np.int64}[dtype]
    array = (RANDOM.standard_normal(shape) * 2.0**60).astype(np.int64).astype(numpy_dtype)

    answer = (await client.infer(echo_spec(dtype), array, soon()))["image_again"]

    assert answer.dtype == array.dtype
    np.testing.assert_array_equal(answer, array)


async def test_rows_of_bytes_are_a_batch(client: InferenceClient, echo: ModelSpec) -> None:
    array = images(11, 64, 160, 3)
    sized = replace(echo, inputs=(Tensor("image", "UINT8", (-1, 64, 160, 3)),))

    answer = await client.infer(sized, [image.tobytes() for image in array], soon())

    np.testing.assert_array_equal(answer["image_again"], array)


async def test_no_images_give_empty_outputs(client: InferenceClient, echo: ModelSpec) -> None:
    answer = await client.infer(echo, images(0, 4, 4, 3), soon())

    assert answer["image_again"].shape[0] == 0


async def test_concurrent_calls_are_batched_and_each_gets_its_own_answer(
    server: Server, client: InferenceClient, echo: ModelSpec
) -> None:
    await client.check(echo)
    before = await statistics(server, echo)
    arrays = [images(1, 64, 160, 3) if i % 3 else images(2, 32, 96, 3) for i in range(96)]

    answers = await asyncio.gather(*(client.infer(echo, array, soon()) for array in arrays))

    for array, answer in zip(arrays, answers, strict=True):
        np.testing.assert_array_equal(answer["image_again"], array)
    after = await statistics(server, echo)
    assert after.inference_count - before.inference_count == sum(map(len, arrays))
    assert after.execution_count - before.execution_count < len(arrays)


async def test_large_batches_go_in_parts(server: Server, client: InferenceClient, echo: ModelSpec) -> None:
    before = await statistics(server, echo)
    array = images(2 * MAX_BATCH_SIZE + 3, 8, 8, 3)

    answer = await client.infer(echo, array, soon())

    np.testing.assert_array_equal(answer["image_again"], array)
    assert (await statistics(server, echo)).execution_count - before.execution_count == 3


async def test_check_names_every_difference(client: InferenceClient, echo: ModelSpec) -> None:
    other = ModelSpec(
        echo.name,
        inputs=(Tensor("image", "FP32", (-1, -1, -1, 3)), Tensor("mask", "UINT8", (-1, 1))),
        outputs=(Tensor("image_again", "UINT8", (-1, -1, -1, 4)),),
    )

    with pytest.raises(ModelMismatch) as caught:
        await client.check(other)

    detail = caught.value.detail
    assert "input image is UINT8 [-1, -1, -1, 3], expected FP32 [-1, -1, -1, 3]" in detail
    assert "it has no input mask" in detail
    assert "output image_again is UINT8 [-1, -1, -1, 3], expected UINT8 [-1, -1, -1, 4]" in detail

    with pytest.raises(ModelMismatch, match="unknown output image_again"):
        await client.check(replace(echo, outputs=()))


async def test_unknown_model(client: InferenceClient, echo: ModelSpec) -> None:
    with pytest.raises(EngineUnavailable, match="no_such_model"):
        await client.check(replace(echo, name="no_such_model"))
    with pytest.raises(EngineUnavailable, match="no_such_model"):
        await client.wait_for(replace(echo, name="no_such_model"), timeout=0.5)


async def test_images_that_the_model_does_not_take(client: InferenceClient, echo: ModelSpec) -> None:
    with pytest.raises(ModelMismatch, match=r"unexpected shape for input 'image'.*\[-1,-1,-1,3\], got \[1,8,8,4\]"):
        await client.infer(echo, images(1, 8, 8, 4), soon())
    sized = replace(echo, inputs=(Tensor("image", "UINT8", (-1, 64, 160, 3)),))
    with pytest.raises(ModelMismatch, match="takes UINT8 images of 64x160x3; one has 17 bytes"):
        await client.infer(sized, [bytes(64 * 160 * 3), bytes(17)], soon())


async def test_a_model_that_fails_says_why_and_goes_on(client: InferenceClient) -> None:
    halves = ModelSpec("halves", (Tensor("numbers", "FP32", (-1, -1)),), (Tensor("halves", "FP32", (-1, 2, -1)),))
    numbers = RANDOM.random((2, 6), dtype=np.float32)

    with pytest.raises(Fault, match="Reshape"):
        await client.infer(halves, numbers[:, :5], soon())

    answer = await client.infer(halves, numbers, soon())
    np.testing.assert_array_equal(answer["halves"], numbers.reshape(2, 2, 3))


async def test_ready_is_true_only_while_the_server_is_there(client: InferenceClient) -> None:
    assert await client.ready()
    async with InferenceClient("127.0.0.1:1") as nobody:
        assert not await nobody.ready()


async def test_deadlines_are_kept_while_the_server_hangs(
    make_server: ServerFactory, repository: Path, echo: ModelSpec
) -> None:
    server = make_server(repository)
    server.start()
    async with InferenceClient(server.url) as client:
        await client.infer(echo, images(1, 8, 8, 3), soon())
        server.signal(signal.SIGSTOP)
        try:
            start = time.monotonic()
            with pytest.raises(DeadlineExceeded):
                await client.infer(echo, images(1, 8, 8, 3), soon(0.5))
            assert 0.4 < time.monotonic() - start < 15

            call = asyncio.create_task(client.infer(echo, images(1, 8, 8, 3), soon()))
            await asyncio.sleep(0.1)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        finally:
            server.signal(signal.SIGCONT)
        with pytest.raises(DeadlineExceeded):
            await client.infer(echo, images(1, 8, 8, 3), time.time() - 1)
        await client.infer(echo, images(1, 8, 8, 3), soon())


async def test_calls_outlive_a_restart_of_the_server(
    make_server: ServerFactory, repository: Path, echo: ModelSpec
) -> None:
    server = make_server(repository)
    server.start()
    async with InferenceClient(server.url) as client:
        await client.wait_for(echo, timeout=5)
        server.signal(signal.SIGSTOP)
        arrays = [images(1, 16, 16, 3) for _ in range(8)]
        calls = [asyncio.create_task(client.infer(echo, array, soon(40))) for array in arrays]
        await asyncio.sleep(0.2)
        server.kill()
        await asyncio.sleep(0.2)
        assert not await client.ready()

        start = time.time()
        with pytest.raises(EngineUnavailable, match="UNAVAILABLE"):
            await client.infer(echo, arrays[0], start + 3)
        assert time.time() < start + 15

        await asyncio.to_thread(server.start)
        for array, answer in zip(arrays, await asyncio.gather(*calls), strict=True):
            np.testing.assert_array_equal(answer["image_again"], array)


LARGE = (1, 300, 300, 3)


async def shared_regions(server: Server) -> set[str]:
    """The names of the regions of shared memory that the server has mapped."""
    async with grpc.aio.insecure_channel(server.url) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        answer = await stub.SystemSharedMemoryStatus(service_pb2.SystemSharedMemoryStatusRequest())
    return set(answer.regions)


async def echoes(client: InferenceClient, echo: ModelSpec, *shape: int) -> None:
    array = images(*shape)
    np.testing.assert_array_equal((await client.infer(echo, array, soon()))["image_again"], array)


async def test_large_inputs_go_through_shared_memory_that_goes_with_the_client(server: Server, echo: ModelSpec) -> None:
    async with InferenceClient(server.url) as client:
        await echoes(client, echo, 1, 8, 8, 3)
        assert not await shared_regions(server)
        await asyncio.gather(*(echoes(client, echo, *LARGE) for _ in range(2 * shared_inputs.REGIONS)))
        assert 1 <= len(await shared_regions(server)) <= shared_inputs.REGIONS
        await echoes(client, echo, 8, *LARGE[1:])
        assert not list(Path("/dev/shm").glob("platelane-input-*"))
    assert not await shared_regions(server)


async def test_shared_memory_is_registered_anew_with_a_restarted_server(
    make_server: ServerFactory, repository: Path, echo: ModelSpec
) -> None:
    server = make_server(repository)
    server.start()
    async with InferenceClient(server.url) as client:
        await echoes(client, echo, *LARGE)
        before = await shared_regions(server)
        server.kill()
        await asyncio.to_thread(server.start)
        for _ in range(2):
            await echoes(client, echo, *LARGE)
        assert len(before) == len(await shared_regions(server)) == 1
        assert before != await shared_regions(server)


async def test_a_call_that_comes_too_late_keeps_its_shared_memory(
    make_server: ServerFactory, repository: Path, echo: ModelSpec
) -> None:
    server = make_server(repository)
    server.start()
    async with InferenceClient(server.url) as client:
        await echoes(client, echo, *LARGE)
        before = await shared_regions(server)
        server.signal(signal.SIGSTOP)
        for _ in range(2):
            with pytest.raises(DeadlineExceeded):
                await client.infer(echo, images(*LARGE), time.time() + 0.5)
        server.signal(signal.SIGCONT)
        await echoes(client, echo, *LARGE)
        assert before == await shared_regions(server)


async def test_shared_memory_of_killed_clients_is_given_up(
    server: Server, echo: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "getpid", lambda: 1 << 30)
        killed = InferenceClient(server.url)
        await echoes(killed, echo, *LARGE)
    assert len(left := await shared_regions(server)) == 1
    async with InferenceClient(server.url) as client:
        await echoes(client, echo, *LARGE)
        assert not left & await shared_regions(server)
    await killed.close()


async def test_inputs_are_sent_where_memory_cannot_be_shared(
    client: InferenceClient, server: Server, echo: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_inputs, "_FOLDER", tmp_path)  # where the server does not look
    for _ in range(2):
        await echoes(client, echo, *LARGE)
    assert not await shared_regions(server)


async def test_a_draining_server_finishes_what_it_has_begun(
    make_server: ServerFactory, repository: Path, echo: ModelSpec
) -> None:
    server = make_server(repository)
    server.start()
    async with InferenceClient(server.url) as client:
        await client.wait_for(echo, timeout=5)
        arrays = [images(8, 64, 160, 3) for _ in range(64)]
        calls = [asyncio.create_task(client.infer(echo, array, soon(40))) for array in arrays]
        await asyncio.sleep(0.02)
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)
        for array, answer in zip(arrays, await asyncio.gather(*calls), strict=True):
            np.testing.assert_array_equal(answer["image_again"], array)


async def statistics(server: Server, spec: ModelSpec) -> service_pb2.ModelStatistics:
    async with grpc.aio.insecure_channel(server.url) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        answer = await stub.ModelStatistics(service_pb2.ModelStatisticsRequest(name=spec.name))
    return answer.model_stats[0]
