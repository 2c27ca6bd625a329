"""A disk that is really full: a small one, mounted for the test."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import nats
import pytest
from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from platelane.errors import CannotStart
from platelane.local import disk
from platelane.local.nats import nats_program
from platelane.local.ports import Ports
from platelane.local.supervisor import Supervisor
from platelane.runtime.settings import Settings
from tests.local.test_supervisor import Events, plan

MB = 1_000_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 300 MB."""
    folder = tmp_path / "small disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", str(folder)]
    if (done := subprocess.run(mount, capture_output=True, text=True)).returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def fill(stream: JetStreamContext) -> None:
    for _ in range(250):
        await stream.publish("photos", bytes(900_000))


async def test_nats_works_again_once_there_is_room(small_disk: Path, tmp_path: Path) -> None:
    ports = Ports()
    url = f"nats://platelane:secret@127.0.0.1:{ports.take()}"
    program = nats_program(url, ports.take(), small_disk)
    events = Events()
    supervisor = Supervisor(plan(tmp_path, (program,)), events)
    await supervisor.start()
    ballast = small_disk / "ballast"
    with ballast.open("wb") as file:
        file.write(bytes(250 * MB))
    client = await nats.connect(url)
    try:
        stream = client.jetstream(timeout=2)
        await stream.add_stream(name="PHOTOS", subjects=["photos"], max_bytes=250 * MB)
        with pytest.raises((NatsError, TimeoutError)):
            await fill(stream)
        async with asyncio.timeout(30):
            while not any("no space left" in event for event in events):
                await asyncio.sleep(0.1)
        assert "nats-server back" not in events
        ballast.unlink()
        await events.wait_for("nats-server back")
        async with asyncio.timeout(30):
            while not client.is_connected:
                await asyncio.sleep(0.1)
        await stream.publish("photos", b"there is room again")
    finally:
        await client.close()
        await supervisor.stop()


def test_limits_fit_the_disk(small_disk: Path) -> None:
    with pytest.raises(
        CannotStart, match=r"not enough room for the queues in .*small disk/nats: they need .* GB, and "
    ):
        disk.fitted(Settings(), small_disk / "nats")


def test_less_is_kept_where_less_is_free(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = Settings()
    wanted = disk.reserved(settings)
    monkeypatch.setattr(disk, "room", lambda _: wanted - 1_000 * MB)
    fitted = disk.fitted(settings, tmp_path)
    assert disk.reserved(fitted) <= wanted - 1_000 * MB
    assert fitted.results_bytes < settings.results_bytes
    assert fitted.queue_limit == settings.queue_limit
    (said,) = disk.explained(settings, fitted, tmp_path)
    assert str(tmp_path) in said

    monkeypatch.setattr(disk, "room", lambda _: wanted)
    assert disk.fitted(settings, tmp_path) == settings
    assert disk.explained(settings, settings, tmp_path) == ()


def test_the_limit_of_all_streams_is_the_disk_itself(tmp_path: Path) -> None:
    """Streams have limits of their own; NATS' must not refuse those that were made when more was free."""
    folder = tmp_path / 'say "disk"'
    folder.mkdir()
    nats_program("nats://platelane:secret@127.0.0.1:1", 2, folder)
    config = (folder / "nats-server.conf").read_text()
    assert f"max_file_store: {disk.total(folder)} " in config
    assert f"store_dir: {json.dumps(str(folder / 'nats'))}" in config
