"""Reading photographs through a running server, over the same REST API that everybody uses."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from platelane.errors import BadRequest, NotFound

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".pnm", ".pbm", ".pgm", ".ppm"}
)
READ_PATH = "/v1/plate-reader/"
_TRIES = 5  # a busy server says when to come again; a folder can wait
_TIMEOUT = httpx.Timeout(60.0, connect=5.0)

Answer = dict[str, Any]  # the JSON of the REST API


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of one file: the server's answer, or why there is none."""

    file: Path
    answer: Answer
    error: str = ""

    @property
    def path(self) -> str:
        """The file's path as text that can be written: bytes that are not UTF-8 become �."""
        return _text(self.file)


def find_photos(paths: Iterable[Path]) -> list[Path]:
    """The files named, and the images in and below the folders named, sorted within each folder.

    Raises NotFound for a path that does not exist and BadRequest for a folder without images.
    """
    photos: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(
                file for file in path.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file()
            )
            if not inside:
                raise BadRequest(f"The folder {path} has no images ({', '.join(sorted(IMAGE_SUFFIXES))}).")
            photos += inside
        elif path.exists():
            photos.append(path)
        else:
            raise NotFound(f"There is no file or folder {path}.")
    return photos


class Client:
    """One server, spoken to over kept connections."""

    def __init__(self, url: str, token: str = "") -> None:
        local = urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
        self.url = url.rstrip("/")
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Token {token}"} if token else {},
            timeout=_TIMEOUT,
            trust_env=not local,  # a proxy of the environment does not lead to this machine
        )

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def read(self, photo: Path, fields: Mapping[str, str]) -> Reading:
        """Sends one photo; a busy server (429, 503) is asked again when it says."""
        try:
            content = photo.read_bytes()
        except OSError as error:
            return Reading(photo, {}, f"cannot be opened: {error.strerror}")
        for attempt in range(1, _TRIES + 1):
            try:
                response = await self._http.post(
                    self.url + READ_PATH, data=dict(fields), files={"upload": (_text(photo.name), content)}
                )
            except (httpx.TransportError, httpx.InvalidURL) as error:
                return Reading(photo, {}, f"{self.url} cannot be reached: {error or type(error).__name__}")
            if response.status_code not in (429, 503) or attempt == _TRIES:
                break
            await asyncio.sleep(_retry_after(response))
        return _reading(photo, response)

    async def read_all(
        self, photos: Iterable[Path], fields: Mapping[str, str], in_flight: int
    ) -> AsyncIterator[Reading]:
        """Reads photos, up to `in_flight` at a time, and gives them in the order of `photos`."""
        under_way: deque[asyncio.Task[Reading]] = deque()
        try:
            for photo in photos:
                if len(under_way) == in_flight:
                    yield await under_way.popleft()
                under_way.append(asyncio.create_task(self.read(photo, fields)))
            while under_way:
                yield await under_way.popleft()
        finally:
            for task in under_way:
                task.cancel()


def _text(path: str | Path) -> str:
    return os.fsencode(path).decode("utf-8", "replace")


def _reading(photo: Path, response: httpx.Response) -> Reading:
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        return Reading(photo, {}, f"{response.url} answered {response.status_code} without a JSON object")
    if response.is_success and "error" not in answer:
        return Reading(photo, answer)
    return Reading(photo, answer, f"{response.status_code}: {answer.get('detail') or answer.get('error') or answer}")


def _retry_after(response: httpx.Response) -> float:
    try:
        return min(max(float(response.headers.get("Retry-After", "1")), 0.1), 30.0)
    except ValueError:
        return 1.0
