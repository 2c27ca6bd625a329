"""Clients that disconnect or send slowly, and a webhook receiver that fails now and then."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from typing import Final
from urllib.parse import urlsplit

import httpx

from benchmarks.faults.fault import Fault, Scene
from benchmarks.load import PATH, Upload

_SECONDS: Final = 10.0
_HANG_UPS: Final = 5
"""Clients per second."""
_TRICKLES: Final = 50
_TRICKLE_SECONDS: Final = 15.0
_TRICKLE_PAUSE: Final = 0.2
_TRICKLE_BYTES: Final = 20


async def _hang_up(scene: Scene) -> None:
    """Every second client disconnects during its upload, the others before their answer."""
    request = _request(scene)
    tasks = []
    for number in range(round(_SECONDS * _HANG_UPS)):
        tasks.append(asyncio.create_task(_left(scene, request if number % 2 else request[: len(request) // 2])))
        await asyncio.sleep(1 / _HANG_UPS)
    await asyncio.gather(*tasks)
    scene.notes.append(f"{len(tasks)} clients")


async def _left(scene: Scene, sent: bytes) -> None:
    with contextlib.suppress(OSError):
        _, writer = await _connected(scene)
        writer.write(sent)
        await writer.drain()
        await asyncio.sleep(0.03)
        writer.transport.abort()  # resets the connection


async def _trickle(scene: Scene) -> None:
    """The outcomes of the slow clients go into the notes."""
    request = _request(scene)
    ends = Counter(await asyncio.gather(*(_trickled(scene, request) for _ in range(_TRICKLES))))
    scene.notes.append(", ".join(f"{how}: {number}" for how, number in sorted(ends.items())))


async def _trickled(scene: Scene, request: bytes) -> str:
    end, sent = time.monotonic() + _TRICKLE_SECONDS, 0
    try:
        reader, writer = await _connected(scene)
        try:
            answering = asyncio.create_task(reader.readline())
            while time.monotonic() < end and not answering.done():
                writer.write(request[sent : sent + _TRICKLE_BYTES])
                sent += _TRICKLE_BYTES
                await asyncio.wait({answering}, timeout=_TRICKLE_PAUSE)
            if not answering.done():
                answering.cancel()
                return "no answer yet"
            line = (await answering).split()
            return line[1].decode() if len(line) > 1 else "hung up"
        finally:
            writer.transport.abort()
    except OSError as error:
        return type(error).__name__


async def _connected(scene: Scene) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    address = urlsplit(scene.system.url)
    return await asyncio.open_connection(address.hostname, address.port)


def _request(scene: Scene) -> bytes:
    """The bytes of an upload."""
    upload = Upload.of(scene.photo)
    sent = httpx.Request("POST", f"{scene.system.url}{PATH}", content=upload.body, headers=upload.headers)
    head = "".join(f"{name}: {value}\r\n" for name, value in sent.headers.items())
    return f"POST {PATH} HTTP/1.1\r\n{head}\r\n".encode() + upload.body


async def _failing_receiver(scene: Scene) -> None:
    scene.receiver.kill()
    scene.receiver.start(failing=10)
    try:
        await asyncio.sleep(_SECONDS)
    finally:
        scene.receiver.kill()
        scene.receiver.start()


FAULTS: Final = (
    Fault("hang-up", f"{_HANG_UPS} clients a second leave mid-upload or before their answer", _hang_up),
    Fault("slow-uploads", f"{_TRICKLES} uploads of {_TRICKLE_BYTES / _TRICKLE_PAUSE:g} bytes a second", _trickle),
    Fault("failing-receiver", "the receiver answers 500 to the first attempt of one event in ten", _failing_receiver),
)
