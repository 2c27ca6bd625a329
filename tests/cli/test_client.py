from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from platelane.cli.client import Client, find_photos
from platelane.errors import BadRequest, EngineUnavailable, NotFound
from platelane.local.ports import Ports


def test_photos_of_files_and_folders(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "notes.txt", "deep/er/c.webp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    named = tmp_path / "notes.txt"
    found = find_photos([named, tmp_path])
    assert found.photos == [named, tmp_path / "a.png", tmp_path / "b.JPG", tmp_path / "deep/er/c.webp"]
    assert found.unreadable == []


@pytest.fixture
def not_root() -> Iterator[None]:
    """Root may read every folder."""
    if os.geteuid():
        yield
        return
    os.seteuid(65_534)
    yield
    os.seteuid(0)


@pytest.mark.usefixtures("not_root")
def test_a_folder_that_may_not_be_read_is_named() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "a.jpg").touch()
        (folder / "locked").mkdir(mode=0o000)
        found = find_photos([folder])
        assert (found.photos, found.unreadable) == ([folder / "a.jpg"], [folder / "locked"])


def test_a_path_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no file or folder .*missing\.jpg"):
        find_photos([tmp_path / "missing.jpg"])


def test_a_folder_without_images(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="has no images"):
        find_photos([tmp_path])


async def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"a photo")
    url = f"http://127.0.0.1:{Ports().take()}"
    async with Client(url) as client:
        readings = [reading async for reading in client.read_all([photo, tmp_path / "missing.jpg"], {}, in_flight=1)]
    assert [reading.file for reading in readings] == [photo, tmp_path / "missing.jpg"]
    assert readings[0].error.startswith(f"{url} cannot be reached: ")
    assert readings[1].error == "cannot be opened: No such file or directory"
    async with Client(url) as client:
        with pytest.raises(EngineUnavailable, match=f"{url} cannot be reached: "):
            await client.reach()


async def test_a_server_that_is_called_too_fast_is_waited_for(tmp_path: Path) -> None:
    answers = iter([(429, b'{"detail": "slower"}')] * 7 + [(200, b'{"results": []}')])

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.splitlines() if line.lower().startswith(b"content-length"))
        await reader.readexactly(length)
        status, body = next(answers)
        writer.write(b"HTTP/1.1 %d Hm\r\nRetry-After: 0\r\nContent-Length: %d\r\n" % (status, len(body)))
        writer.write(b"Connection: close\r\n\r\n" + body)
        writer.close()

    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"a photo")
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, Client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as client:
        reading = await client.read(photo, {})
    assert (reading.error, reading.answer) == ("", {"results": []})


async def test_an_empty_file_is_not_sent(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    async with Client(f"http://127.0.0.1:{Ports().take()}") as client:
        reading = await client.read(tmp_path / "photo.jpg", {})
        assert (reading.error, reading.unsent) == ("the file is empty", True)


async def test_a_name_that_is_no_text_stops_nothing(tmp_path: Path) -> None:
    photo = tmp_path / os.fsdecode(b"caf\xe9.jpg")
    photo.write_bytes(b"a photo")
    async with Client(f"http://127.0.0.1:{Ports().take()}") as client:
        reading = await client.read(photo, {})
    assert "cannot be reached" in reading.error
    assert reading.path == str(tmp_path / "caf\ufffd.jpg")
