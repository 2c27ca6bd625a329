"""The real Triton, with models made for the tests."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx
import psutil
import pytest
from onnx import TensorProto, helper

from platelane.local.ports import Ports
from platelane.local.triton import grpc_address, ready_url, triton_program
from platelane.local.triton_environment import environment_folder, find_environment
from platelane.vision.inference import InferenceClient
from platelane.vision.model_specs import ModelSpec, Tensor

ENVIRONMENT = environment_folder(Path())
ELEMENTS = {"UINT8": TensorProto.UINT8, "FP32": TensorProto.FLOAT, "INT64": TensorProto.INT64}
MAX_BATCH_SIZE = 8
START_SECONDS = 60.0


def is_ready(http_port: int) -> bool:
    """Whether the server and all of its models are ready."""
    try:
        with urllib.request.urlopen(ready_url(http_port), timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@dataclass(slots=True)
class Server:
    """A Triton with the models of one repository; it may be killed and started again on the same ports."""

    repository: Path
    state_dir: Path
    http_port: int
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return grpc_address(self.http_port)

    @property
    def log(self) -> str:
        return (self.state_dir / "triton.log").read_text()

    def launch(self) -> subprocess.Popen[bytes]:
        """Starts the process and does not wait."""
        self.state_dir.mkdir(exist_ok=True)
        program = triton_program(find_environment(ENVIRONMENT), self.repository, self.state_dir, self.http_port)
        with (self.state_dir / "triton.log").open("ab") as log:
            process = subprocess.Popen(
                program.command,
                cwd=program.folder,
                env={**os.environ, "LC_ALL": "C", **program.environment},
                stdout=log,
                stderr=log,
            )
        self._processes.append(process)
        return process

    def start(self) -> None:
        process = self.launch()
        end = time.monotonic() + START_SECONDS
        while not is_ready(self.http_port):
            assert process.poll() is None, self.log
            assert time.monotonic() < end, self.log
            time.sleep(0.05)

    def signal(self, number: signal.Signals) -> None:
        self._processes[-1].send_signal(number)
        while number == signal.SIGSTOP and not self._is_stopped():  # on a busy machine a thread may go on for a while
            time.sleep(0.01)

    def _is_stopped(self) -> bool:
        threads = Path(f"/proc/{self._processes[-1].pid}/task").iterdir()
        return all((each / "stat").read_text().rpartition(") ")[2][0] == "T" for each in threads)

    def stop(self) -> None:
        """Asks the server to finish, and waits for it."""
        self.signal(signal.SIGTERM)
        self.wait()

    def kill(self) -> None:
        """Ends the server at once; its models' processes notice and end too."""
        for process in self._processes:
            process.kill()
            process.wait()

    def wait(self) -> int:
        """Waits for the end of the server; its exit code."""
        return self._processes[-1].wait(START_SECONDS)

    def model_processes(self) -> list[psutil.Process]:
        children = psutil.Process(self._processes[-1].pid).children()
        return [child for child in children if child.name().startswith("triton_python")]


ServerFactory = Callable[[Path], Server]


@pytest.fixture(scope="session")
def make_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerFactory]:
    """Makes servers that are not started yet, and ends them all in the end.

    Their paths have spaces and umlauts, and the locale none: Triton must not mind.
    """
    if not ENVIRONMENT.exists():
        pytest.skip(f"there is no {ENVIRONMENT}: `make install` makes it (Linux)")
    ports, servers = Ports(), []

    def make(repository: Path) -> Server:
        server = Server(repository, tmp_path_factory.mktemp("stäte of Triton"), ports.take())
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.kill()


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One model that echoes for each type, and `halves`, which fails for an odd number of rows."""
    folder = tmp_path_factory.mktemp("möre models")
    for dtype in ELEMENTS:
        write_echo(folder, dtype)
    write_halves(folder)
    return folder


@pytest.fixture(scope="session")
def server(make_server: ServerFactory, repository: Path) -> Server:
    """The server that all tests share which do it no harm."""
    result = make_server(repository)
    result.start()
    return result


@pytest.fixture
async def client(server: Server) -> AsyncIterator[InferenceClient]:
    async with InferenceClient(server.url) as result:
        yield result


@pytest.fixture
def echo_spec() -> Callable[[str], ModelSpec]:
    def spec(dtype: str) -> ModelSpec:
        shape = (-1, -1, -1, 3)
        return ModelSpec(
            f"echo_{dtype.lower()}", (Tensor("image", dtype, shape),), (Tensor("image_again", dtype, shape),)
        )

    return spec


@pytest.fixture
def echo(echo_spec: Callable[[str], ModelSpec]) -> ModelSpec:
    return echo_spec("UINT8")


def write_echo(folder: Path, dtype: str) -> None:
    sizes: Sequence[Any] = ("batch", "height", "width", 3)
    node = helper.make_node("Identity", ["image"], ["image_again"])
    _write(folder, f"echo_{dtype.lower()}", [node], ("image", dtype, sizes), ("image_again", dtype, sizes))


def write_halves(folder: Path) -> None:
    """Splits the rows in two, as they come: an odd number of them is an error at run time."""
    nodes = [
        helper.make_node("Constant", [], ["shape"], value_ints=[0, 2, -1]),
        helper.make_node("Reshape", ["numbers", "shape"], ["halves"]),
    ]
    _write(folder, "halves", nodes, ("numbers", "FP32", ("batch", "n")), ("halves", "FP32", ("batch", 2, "m")))


def _write(
    folder: Path,
    name: str,
    nodes: Sequence[onnx.NodeProto],
    source: tuple[str, str, Sequence[Any]],
    result: tuple[str, str, Sequence[Any]],
) -> None:
    """Model file and configuration; sizes that are names are of any size, the first is the batch."""

    def described(tensor: tuple[str, str, Sequence[Any]]) -> tuple[onnx.ValueInfoProto, str]:
        name, dtype, sizes = tensor
        dims = [size if isinstance(size, int) else -1 for size in sizes[1:]]
        return (
            helper.make_tensor_value_info(name, ELEMENTS[dtype], sizes),
            f'put {{ name: "{name}" data_type: TYPE_{dtype} dims: {dims} }}\n',
        )

    (source_info, source_text), (result_info, result_text) = described(source), described(result)
    graph = helper.make_graph(nodes, name, [source_info], [result_info])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    (folder / name / "1").mkdir(parents=True)
    onnx.save(model, folder / name / "1" / "model.onnx")
    (folder / name / "config.pbtxt").write_text(
        f'name: "{name}"\nbackend: "onnxruntime"\nmax_batch_size: {MAX_BATCH_SIZE}\ndynamic_batching {{ }}\n'
        f"instance_group {{ kind: KIND_AUTO count: 1 }}\nin{source_text}out{result_text}"
    )
