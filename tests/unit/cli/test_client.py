from __future__ import annotations

import os
from pathlib import Path

import pytest

from platelane.cli.client import Client, find_photos
from platelane.errors import BadRequest, NotFound
from platelane.supervisor.ports import Ports


def test_photos_of_files_and_folders(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "notes.txt", "deep/er/c.webp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    named = tmp_path / "notes.txt"
    assert find_photos([named, tmp_path]) == [
        named,
        tmp_path / "a.png",
        tmp_path / "b.JPG",
        tmp_path / "deep/er/c.webp",
    ]


def test_a_path_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no file or folder .*missing\.jpg"):
        find_photos([tmp_path / "missing.jpg"])


def test_a_folder_without_images(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="has no images"):
        find_photos([tmp_path])


async def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.touch()
    url = f"http://127.0.0.1:{Ports().take()}"
    async with Client(url) as client:
        readings = [reading async for reading in client.read_all([photo, tmp_path / "missing.jpg"], {}, in_flight=1)]
    assert [reading.file for reading in readings] == [photo, tmp_path / "missing.jpg"]
    assert readings[0].error.startswith(f"{url} cannot be reached: ")
    assert readings[1].error == "cannot be opened: No such file or directory"


async def test_a_name_that_is_no_text_stops_nothing(tmp_path: Path) -> None:
    photo = tmp_path / os.fsdecode(b"caf\xe9.jpg")
    photo.touch()
    async with Client(f"http://127.0.0.1:{Ports().take()}") as client:
        reading = await client.read(photo, {})
    assert "cannot be reached" in reading.error
    assert reading.path == str(tmp_path / "caf\ufffd.jpg")
