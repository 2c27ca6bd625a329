from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from platelane.errors import CannotStart
from platelane.local import sockets


def test_the_folder_is_its_users_alone_and_used_again(tmp_path: Path) -> None:
    path = sockets.private(tmp_path / "folder")
    assert path.stat().st_mode & 0o777 == 0o700
    assert sockets.private(path) == path
    assert len(bytes(sockets.folder())) < 60, "the address of a socket may have 107 bytes"


def test_what_others_can_get_into_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    (tmp_path / "file").touch()
    (tmp_path / "private").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "private")
    for name in ("open", "file", "link", "missing/folder"):
        with pytest.raises(CannotStart, match="where sockets are kept"):
            sockets.private(tmp_path / name)


def test_sockets_of_killed_programs_are_removed_and_others_stay(tmp_path: Path) -> None:
    def listening(name: str, age: float) -> socket.socket:
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(tmp_path / name))
        server.listen()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
        return server

    with listening("alive", 600):
        for name, age in (("dead", 600.0), ("new", 1.0)):
            listening(name, age).close()
        (tmp_path / "file").touch()
        sockets.remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"alive", "new", "file"}
