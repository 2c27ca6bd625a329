"""A real nats-server, real gateway processes, and a worker on the job queue that reports what reached it."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from PIL import Image

from gateway.accounts import Accounts, BusCounters
from gateway.image_retention import ImageRetention
from gateway.jobs import JobClient
from gateway.outcomes import Outcomes
from gateway.zones import ZoneStore
from platelane.bus import Bus, MessageInfo, Worker, topology
from platelane.errors import BadImage
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.runtime.settings import Settings
from platelane.usage import CallCounter
from platelane.vision import header
from platelane.webhooks.registry import HookRegistry
from tests.support import apply_topology, free_port

PATIENCE = 60.0
SLOW = 1.5
DEADLINE = 4.0

# Camera ids that tell the worker what to do.
SILENT_CAMERA = "silent"
SLOW_CAMERA = "slow"
BROKEN_CAMERA = "broken"
EMPTY_CAMERA = "empty"


def digest(image: bytes) -> str:
    """What the worker reads on every plate: it shows that the picture arrived unchanged."""
    return hashlib.sha256(image).hexdigest()[:10]


def encoded(name: str = "JPEG", size: tuple[int, int] = (64, 48), mode: str = "RGB") -> bytes:
    """A small noisy picture in a format of Pillow's."""
    buffer = io.BytesIO()
    Image.effect_noise(size, 80).convert(mode).save(buffer, name)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def picture() -> bytes:
    return encoded()


class NatsServer:
    """The real nats-server on a port of its own, with its files in one folder."""

    def __init__(self, folder: Path, room: str) -> None:
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self._config = folder / "nats.conf"
        self._config.write_text(
            f'listen: "127.0.0.1:{self.port}"\nmax_payload: 33000000\nmax_pending: 256MB\n'
            f'jetstream {{ store_dir: "{folder / "store"}", max_file_store: {room} }}\n'
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        binary = Path(sys.executable).parent / "nats-server"
        self._process = subprocess.Popen([binary, "-c", self._config], stderr=subprocess.DEVNULL)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise TimeoutError("nats-server does not start")

    def freeze(self) -> None:
        """Connections stay, and nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def running_nats(folder: Path, room: str = "20GB") -> Iterator[NatsServer]:
    server = NatsServer(folder, room)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with running_nats(tmp_path_factory.mktemp("nats")) as server:
        yield server


def applied(settings: Settings) -> None:
    """`platelane topology apply`, also where an event loop is running."""
    applying = threading.Thread(target=lambda: asyncio.run(apply_topology(settings)))
    applying.start()
    applying.join()


class Engine:
    """Answers jobs like the stages do, in a thread of its own: the picture's digest and the regions asked for."""

    def __init__(self, settings: Settings, workers: int = 16, slow: float = SLOW) -> None:
        """`slow`: seconds that a picture of the slow camera takes one of the `workers`."""
        self._settings = settings
        self._workers = workers
        self._slow = slow
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Engine:
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        await apply_topology(self._settings)
        self._bus = await Bus.connect(self._settings, "engine")
        self._ready.set()
        try:
            await asyncio.gather(
                *(
                    Worker(self._bus, consumer, stages_pb2.Job, self._answer, self._workers).run(self._stop)
                    for consumer in (topology.DETECTOR, topology.DETECTOR_BULK)
                )
            )
        finally:
            await self._bus.close()

    async def _answer(self, job: stages_pb2.Job, _info: MessageInfo) -> None:
        context = job.context
        if context.camera_id == SILENT_CAMERA:
            return
        if context.camera_id == BROKEN_CAMERA:
            raise BadImage("The image is broken or cut off.")
        if context.camera_id == SLOW_CAMERA:
            await asyncio.sleep(self._slow)
        calls = await CallCounter(self._bus).count(context.account, datetime.now(UTC), f"{context.id}.count")
        reply = stages_pb2.Reply(job_id=context.id, recognition=_recognition(job), calls=calls)
        await self._bus.send(context.reply_subject, reply)


def _recognition(job: stages_pb2.Job) -> domain_pb2.Recognition:
    text = digest(job.image)
    found = header.read(job.image)
    plate = domain_pb2.Plate(
        box=domain_pb2.Box(xmin=2, ymin=3, xmax=20, ymax=9),
        detection_score=0.9,
        text=text,
        text_score=0.8,
        candidates=[domain_pb2.Scored(value=text, score=0.8)],
        regions=[domain_pb2.Scored(value=code, score=0.7) for code in job.options.regions],
    )
    empty = job.context.camera_id == EMPTY_CAMERA
    return domain_pb2.Recognition(
        id=job.context.id,
        camera_id=job.context.camera_id,
        filename=job.context.filename,
        timestamp_us=job.context.timestamp_us,
        image_width=found.width,
        image_height=found.height,
        sightings=[] if empty else [domain_pb2.Sighting(plate=plate)],
        options=job.options,
        processing_ms=time.time() * 1e3 - job.context.accepted_us / 1e3,
    )


@pytest.fixture(scope="session")
def served(nats: NatsServer) -> Iterator[NatsServer]:
    """A nats-server whose jobs are answered."""
    with Engine(Settings(nats_url=nats.url)):
        yield nats


@dataclass(frozen=True)
class Gateway:
    """A gateway process that accepts requests."""

    process: subprocess.Popen[str]
    host: str
    port: int
    log: list[str]

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def client(self) -> httpx.Client:
        # certificates that nobody needs take longer to load than a request takes
        return httpx.Client(base_url=self.url, timeout=PATIENCE, verify=False, trust_env=False)


@contextmanager
def running_gateway(nats: NatsServer, **settings: object) -> Iterator[Gateway]:
    """A gateway process with these settings, and the streams that they ask for."""
    chosen = {"nats_url": nats.url, "deadline": DEADLINE, **settings}
    applied(Settings(**{name: str(value) for name, value in chosen.items()}))  # type: ignore[arg-type]
    environment = {f"PLATELANE_{name.upper()}": str(value) for name, value in settings.items()}
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway"],
        env={
            **os.environ,
            "PLATELANE_NATS_URL": nats.url,
            "PLATELANE_PORT": "0",
            "PLATELANE_GRPC_PORT": "0",
            "PLATELANE_DEADLINE": str(DEADLINE),
            **environment,
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    log: list[str] = []
    listening = threading.Event()

    def read() -> None:
        assert process.stderr
        for line in process.stderr:
            log.append(line)
            if '"listening"' in line:
                listening.set()
        listening.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert listening.wait(PATIENCE), log
        [address] = [json.loads(line)["address"] for line in log if '"listening"' in line] or [pytest.fail(str(log))]
        url = httpx.URL(address)
        yield Gateway(process, url.host, url.port or 80, log)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        finally:
            process.kill()
            reader.join()
            assert process.stderr
            process.stderr.close()


@contextmanager
def running_index(nats: NatsServer, folder: Path) -> Iterator[None]:
    """`python -m reads`; it answers a moment later."""
    environment = {**os.environ, "PLATELANE_NATS_URL": nats.url, "PLATELANE_STATE_DIR": str(folder)}
    process = subprocess.Popen([sys.executable, "-m", "reads"], env=environment)
    try:
        yield
    finally:
        process.terminate()
        try:
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()


@pytest.fixture(scope="session")
def gateway(served: NatsServer) -> Iterator[Gateway]:
    with running_gateway(served) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def cloud(served: NatsServer) -> Iterator[Gateway]:
    with running_gateway(served, profile="cloud", tokens="secret-one,secret-two") as gateway:
        yield gateway


@pytest.fixture(scope="session")
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.client() as client:
        yield client


@pytest.fixture
async def jobs(bus: Bus, hooks: HookRegistry, settings: Settings) -> JobClient:
    accounts = Accounts({}, BusCounters(bus), settings)
    return JobClient(bus, accounts, ZoneStore(bus), ImageRetention(bus, hooks), Outcomes(bus), settings)
