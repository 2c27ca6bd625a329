"""Shared by tests of the bus: a real nats-server that can be killed, jobs, and a waiting caller."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

from nats.errors import Error as NatsError

from platelane.bus import Bus
from platelane.bus.apply import Change, apply
from platelane.bus.connection import Connection
from platelane.pb.v1.stages_pb2 import Job, JobContext, Reply
from platelane.runtime.settings import Settings

PROGRAM: Final = Path(sys.executable).parent / "nats-server"


def free_port() -> int:
    """A port that nobody listens on, out of those that the system gives to nobody who asks for any port."""
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as free, contextlib.suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port


class NatsServer:
    """A nats-server that can be killed and started again on the same port and files."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self.configuration = "max_payload: 33000000\nmax_pending: 256MB\n"
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        self._directory.mkdir(exist_ok=True)
        configuration = self._directory / "nats.conf"
        configuration.write_text(self.configuration)
        own = ["-c", str(configuration), "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", str(self._directory)]
        command = [str(PROGRAM), *own, *options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.02)
        raise AssertionError("nats-server does not listen")

    def freeze(self) -> None:
        """SIGSTOP: connections stay, and nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """SIGKILL: no time to write anything down."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


async def apply_topology(settings: Settings) -> list[Change]:
    """What an operator, Kubernetes or `platelane up` does before services can work."""
    connection = await Connection.open(settings, "topology")
    try:
        return await apply(connection, settings)
    finally:
        await connection.close()


def job(job_id: str, *, reply_subject: str = "", seconds: float = 20.0, image: bytes = b"picture") -> Job:
    """A job that somebody waits `seconds` for."""
    context = JobContext(id=job_id, reply_subject=reply_subject, deadline_us=int((time.time() + seconds) * 1e6))
    return Job(context=context, image=image)


class Caller:
    """Somebody who waits for replies, as the gateway does."""

    def __init__(self, bus: Bus) -> None:
        self.subject = bus.new_inbox()
        self._bus = bus
        self._replies: asyncio.Queue[Reply] = asyncio.Queue()

    async def listen(self) -> None:
        async def on_reply(data: bytes) -> None:
            self._replies.put_nowait(Reply.FromString(data))

        await self._bus.subscribe(self.subject, on_reply)

    async def reply(self, timeout: float = 60.0) -> Reply:
        async with asyncio.timeout(timeout):
            return await self._replies.get()

    @property
    def silent(self) -> bool:
        return self._replies.empty()


@contextlib.asynccontextmanager
async def running(*runners: Callable[[asyncio.Event], Awaitable[None]]) -> AsyncIterator[asyncio.Event]:
    """Workers at work until the block is left."""
    stop = asyncio.Event()
    tasks = [asyncio.ensure_future(runner(stop)) for runner in runners]
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.gather(*tasks)


def wait_until(condition: Callable[[], bool], timeout: float = 60.0) -> None:
    """Return as soon as `condition` holds. The timeout only ends a test that has failed: no machine is that slow."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


async def eventually(condition: Callable[[], Awaitable[bool]], timeout: float = 60.0) -> None:
    """Return as soon as `condition` holds; while the server is away it does not."""
    async with asyncio.timeout(timeout):
        while True:
            with contextlib.suppress(NatsError):
                if await condition():
                    return
            await asyncio.sleep(0.02)


async def stored(bus: Bus, stream: str) -> int:
    """Messages in a stream."""
    return int((await bus.client.jsm(timeout=1).stream_info(stream)).state.messages)


async def unsettled(bus: Bus, stream: str, consumer: str) -> int:
    """Messages that a worker has and nobody has acknowledged."""
    return int((await bus.client.jsm(timeout=1).consumer_info(stream, consumer)).num_ack_pending or 0)
