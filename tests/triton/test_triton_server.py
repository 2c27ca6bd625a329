"""`platelane.local.triton`: the local server starts, refuses what it must, and does not outlive its models."""

from __future__ import annotations

import asyncio
import hashlib
import platform
import shutil
import time
import venv
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest

from platelane.errors import CannotStart
from platelane.local.triton import assemble_backends
from platelane.local.triton_environment import find_environment
from platelane.vision.inference import InferenceClient
from platelane.vision.model_specs import ModelSpec

from .conftest import ENVIRONMENT, Server, ServerFactory, is_ready

FLAGS = frozenset(Path("/proc/cpuinfo").read_text().split())
KEY = "avx2_model_filename" if FLAGS.isdisjoint({"avx512_vnni", "avx_vnni"}) else "cpu_model_filename"
"""What names the INT8 file for this processor."""


def test_it_is_ready_and_logs_little(server: Server) -> None:
    assert is_ready(server.http_port)
    assert not is_ready(1)
    assert len(server.log.splitlines()) < 8, server.log


def test_a_model_file_that_is_not_as_configured_keeps_it_from_starting(
    make_server: ServerFactory, repository: Path, tmp_path: Path
) -> None:
    shutil.copytree(repository / "echo_uint8", tmp_path / "models" / "echo_uint8")
    config = tmp_path / "models" / "echo_uint8" / "config.pbtxt"
    config.write_text(config.read_text().replace("[-1, -1, 3]", "[-1, -1, 4]", 1).replace("image_again", "again"))
    server = make_server(tmp_path / "models")

    server.launch()

    assert server.wait() != 0
    assert "image is tensor(uint8) ['batch', 'height', 'width', 3], configured" in server.log
    assert "it has no again" in server.log


@pytest.mark.skipif("avx2" not in FLAGS, reason="INT8 files are for x86 processors with AVX2")
@pytest.mark.parametrize("stale", [False, True])
async def test_the_file_for_processors_is_served_if_it_was_made_from_the_model(
    make_server: ServerFactory, repository: Path, echo: ModelSpec, tmp_path: Path, stale: bool
) -> None:
    folder = tmp_path / "its möd els" / "echo_uint8"
    shutil.copytree(repository / "echo_uint8", folder)
    with (folder / "config.pbtxt").open("a") as config:
        config.write(f'parameters {{ key: "{KEY}" value {{ string_value: "model.int8.onnx" }} }}')
    usual = folder / "1" / "model.onnx"
    model = onnx.load(usual)
    model.graph.node[0].op_type = "BitwiseNot"
    model.opset_import[0].version = 18
    source = b"another model" if stale else usual.read_bytes()
    onnx.helper.set_model_props(model, {"source_sha256": hashlib.sha256(source).hexdigest()})
    onnx.save(model, folder / "1" / "model.int8.onnx")
    server = make_server(folder.parent)
    server.start()

    async with InferenceClient(server.url) as client:
        answer = await client.infer(echo, np.full((1, 8, 8, 3), 5, np.uint8), time.time() + 20)

    assert answer["image_again"][0, 0, 0, 0] == (5 if stale else 250)
    assert ("was not made from the model.onnx beside it" in server.log) == stale


async def test_it_ends_when_a_model_process_dies_and_callers_are_served_by_the_next(
    make_server: ServerFactory, repository: Path, echo: ModelSpec
) -> None:
    server = make_server(repository)
    server.start()
    async with InferenceClient(server.url) as client:
        await client.wait_for(echo, timeout=5)
        for process in server.model_processes():
            process.kill()
        assert await asyncio.to_thread(server.wait) == -9

        image = np.ones((1, 8, 8, 3), np.uint8)
        call = asyncio.create_task(client.infer(echo, image, time.time() + 40))
        await asyncio.to_thread(server.start)
        np.testing.assert_array_equal((await call)["image_again"], image)


def test_a_stop_in_good_order_takes_all_processes_along(make_server: ServerFactory, repository: Path) -> None:
    server = make_server(repository)
    server.start()
    processes = server.model_processes()
    assert len(processes) == 4

    server.stop()

    assert not any(process.is_running() for process in processes)
    assert server.wait() == 0
    assert not list(Path("/dev/shm").glob(f"platelane_triton_{server.http_port}_*"))


def test_memory_of_a_killed_server_is_given_back(make_server: ServerFactory, repository: Path) -> None:
    server = make_server(repository)
    leftover = Path(f"/dev/shm/platelane_triton_{server.http_port}_left")
    leftover.touch()

    server.start()

    assert not leftover.exists()


def test_an_environment_is_checked_before_anything_starts(tmp_path: Path) -> None:
    folder = tmp_path / "env"
    with pytest.raises(CannotStart, match="no environment for Triton"):
        find_environment(folder)

    venv.create(folder)
    with pytest.raises(CannotStart, match="lacks nvidia-pytriton, numpy, onnxruntime"):
        find_environment(folder)

    packages = next(folder.glob("lib/python3.*/site-packages"))
    for name, version in (("nvidia_pytriton", "0.7.0"), ("numpy", "2.1.0"), ("onnxruntime", "1.23.2")):
        metadata = packages / f"{name}-{version}.dist-info" / "METADATA"
        metadata.parent.mkdir()
        metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    with pytest.raises(CannotStart, match=r"has numpy 2\.1\.0, with which Triton corrupts tensors"):
        find_environment(folder)


@pytest.mark.parametrize(
    ("function", "answer", "problem"),
    [
        ("system", "Darwin", "needs Linux on x86-64 or 64-bit ARM; this is Darwin on x86_64"),
        ("machine", "riscv64", "needs Linux on x86-64 or 64-bit ARM; this is Linux on riscv64"),
        ("libc_ver", ("glibc", "2.31"), r"needs glibc 2\.35 or newer; this is glibc 2\.31"),
        ("libc_ver", ("", ""), "needs glibc 2.35 or newer; this is another C library"),
    ],
)
def test_other_machines_are_pointed_to_docker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, answer: object, problem: str
) -> None:
    for name, good in {"system": "Linux", "machine": "x86_64", "libc_ver": ("glibc", "2.36"), function: answer}.items():
        monkeypatch.setattr(platform, name, partial(lambda value: value, good))

    with pytest.raises(CannotStart, match=f"{problem}.*docker compose -f docker-compose.yml"):
        find_environment(tmp_path)


@pytest.mark.usefixtures("make_server")
def test_backends_are_copied_once(tmp_path: Path) -> None:
    environment = find_environment(ENVIRONMENT)
    assemble_backends(environment, tmp_path)
    first = {path: path.stat() for path in tmp_path.rglob("*.*")}
    assemble_backends(environment, tmp_path)
    second = {path: path.stat() for path in tmp_path.rglob("*.*")}

    assert {path.name for path in first} == {"libtriton_python.so", "triton_python_backend_utils.py", "model.py"}
    assert {path: stat.st_ino for path, stat in first.items()} == {path: stat.st_ino for path, stat in second.items()}
