"""Reads photos through a running server, over the public REST API."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from platelane.cli.server import READ_PATH, authorization, is_local, unreachable
from platelane.errors import BadRequest, NotFound

IMAGE_SUFFIXES = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jpe",
        ".png",
        ".bmp",
        ".webp",
        ".gif",
        ".tif",
        ".tiff",
        ".heic",
        ".heif",
        ".avif",
        ".pnm",
        ".pbm",
        ".pgm",
        ".ppm",
    }
)
_TRIES = 5  # for a busy server, which says when to retry
_RATE_PATIENCE = 600.0
"""Seconds to keep retrying when the server limits the rate of calls."""
_BUSY, _TOO_FAST, _TOO_LARGE, _NO_SUCH_PATH = 503, 429, 413, 404
_TIMEOUT = httpx.Timeout(60.0, connect=5.0)

Answer = dict[str, Any]  # the JSON of the REST API


@dataclass(frozen=True, slots=True)
class PhotoReading:
    """The outcome for one file: the server's answer, or why there is none."""

    file: Path
    answer: Answer
    error: str = ""
    unsent: bool = False
    """Whether the file could not be sent at all, because it is unreadable or empty."""

    @property
    def path(self) -> str:
        """The file's path as text that can be written: bytes that are not UTF-8 become �."""
        return _text(self.file)


@dataclass(frozen=True, slots=True)
class Found:
    """The photos to read, and the folders that could not be opened."""

    photos: list[Path]
    unreadable: list[Path]


def find_photos(paths: Iterable[Path]) -> Found:
    """The files among `paths`, and all images below its folders, sorted within each folder.

    Raises NotFound for a path that does not exist and BadRequest for a folder without images.
    """
    photos: list[Path] = []
    unreadable: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(_images(path, unreadable))
            if not inside and not unreadable:
                raise BadRequest(f"The folder {path} has no images ({', '.join(sorted(IMAGE_SUFFIXES))}).")
            photos += inside
        elif path.exists():
            photos.append(path)
        else:
            raise NotFound(f"There is no file or folder {path}.")
    return Found(photos, unreadable)


def _images(folder: Path, unreadable: list[Path]) -> Iterator[Path]:
    for inside, _, names in os.walk(folder, onerror=lambda error: unreadable.append(Path(error.filename))):
        for file in (Path(inside, name) for name in names):
            if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file():
                yield file


class Client:
    """Talks to one server over persistent connections."""

    def __init__(self, url: str, token: str = "", verify: ssl.SSLContext | bool = True) -> None:
        """Raises BadRequest if the token cannot be sent."""
        self.url = url.rstrip("/")
        self._http = httpx.AsyncClient(
            headers=authorization(token),
            timeout=_TIMEOUT,
            verify=verify,
            trust_env=not is_local(url),
        )

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def reach(self) -> None:
        """Raises EngineUnavailable if no server answers."""
        try:
            await self._http.head(self.url + "/")
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise unreachable(self.url, error) from error

    async def read(self, photo: Path, fields: Mapping[str, str]) -> PhotoReading:
        """Sends one photo; retries as `Retry-After` says if the server is busy (503) or limits the rate (429)."""
        try:
            content = photo.read_bytes()
        except OSError as error:
            return PhotoReading(photo, {}, f"cannot be opened: {error.strerror}", unsent=True)
        if not content:
            return PhotoReading(photo, {}, "the file is empty", unsent=True)
        give_up = time.monotonic() + _RATE_PATIENCE
        tries = _TRIES
        while True:
            try:
                response = await self._http.post(
                    self.url + READ_PATH, data=dict(fields), files={"upload": (_text(photo.name), content)}
                )
            except (httpx.TransportError, httpx.InvalidURL) as error:
                return PhotoReading(photo, {}, unreachable(self.url, error).detail)
            tries -= response.status_code == _BUSY
            waits = response.status_code == _TOO_FAST and time.monotonic() < give_up
            if not waits and not (response.status_code == _BUSY and tries):
                return _reading(photo, response)
            await asyncio.sleep(_retry_after(response))

    async def read_all(
        self, photos: Iterable[Path], fields: Mapping[str, str], in_flight: int
    ) -> AsyncIterator[PhotoReading]:
        """Reads photos, up to `in_flight` at once, and yields the results in the order of `photos`."""
        under_way: deque[asyncio.Task[PhotoReading]] = deque()
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


def _reading(photo: Path, response: httpx.Response) -> PhotoReading:
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        return PhotoReading(
            photo,
            {},
            f"{response.url} answered {response.status_code} without a JSON object: is it a Platelane server?",
        )
    if response.is_success and "error" not in answer:
        return PhotoReading(photo, answer)
    problem = f"{response.status_code}: {answer.get('detail') or answer.get('error') or answer}"
    if response.status_code == _TOO_LARGE:
        problem += " Make the photo smaller, or raise PLATELANE_UPLOAD_LIMIT on the server."
    if response.status_code == _NO_SUCH_PATH:
        problem += f" --url takes the part of the address before {READ_PATH}."
    return PhotoReading(photo, answer, problem)


def _retry_after(response: httpx.Response) -> float:
    try:
        return min(max(float(response.headers.get("Retry-After", "1")), 0.1), 30.0)
    except ValueError:
        return 1.0
