"""From a request to the photograph in it: body → parts → fields → picture → photograph.

Each stage is a module with one value in and one out. HTTP requests enter at the body, gRPC requests at the fields.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Final

from starlette.requests import Request

from gateway.intake import body, fields, parts, photograph, picture
from gateway.intake.arrivals import Arrival, Arrivals
from gateway.intake.fields import Fields
from gateway.intake.parts import PartsReader
from gateway.intake.photograph import Photograph
from gateway.intake.url_fetcher import UrlFetcher
from platelane.errors import UploadTooLarge
from platelane.pb.v1 import domain_pb2
from platelane.runtime import memory
from platelane.runtime.settings import Settings

__all__ = ["Fields", "Intake", "Photograph"]

_WRAPPING: Final = 1.6
"""The most that base64, line breaks and escapes enlarge a picture by, as a factor."""


class Intake:
    """Turns requests into photographs, within the limits of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._fetcher = UrlFetcher(settings)
        self.budget = settings.arriving_bytes or memory.budget()
        """Bytes of uploads that may be held at once."""
        self._arrivals = Arrivals(self.budget)
        self._limits = body.Limits(
            int(settings.upload_limit * _WRAPPING) + parts.TEXT_LIMIT, settings.upload_timeout, settings.upload_rate
        )

    def arriving(self, client: str) -> Arrival:
        """Account for an upload that begins to arrive; `client` is its account or address. Raises Overloaded."""
        return self._arrivals.arriving(client)

    async def fields(self, request: Request, client: str, mode: domain_pb2.Mode | None = None) -> Fields:
        """The fields of an HTTP request, including its upload; `mode` takes precedence over the one in `config`.

        The bytes count against `client`, as in `arriving`.

        Raises:
            Overloaded: too many bytes are held already, in all or for this client.
            UploadTooLarge: the picture, or the body, is too large.
            UnsupportedEncoding: the body has a Content-Encoding that is not supported.
            TooSlow: the body does not arrive in time.
            BadRequest: the body is malformed, or a field cannot be understood.
            starlette.requests.ClientDisconnect: the client hung up.
        """
        arrival = self.arriving(client)
        reader = PartsReader(request.headers.get("content-type", ""), self._settings.upload_limit)
        try:
            async for piece in body.pieces(request, self._limits):
                arrival.add(len(piece))
                reader.feed(piece)
        except UploadTooLarge:
            raise UploadTooLarge(self._settings.upload_limit) from None
        return fields.read(reader.finish(), datetime.now(UTC), mode, arrival)

    async def photograph(self, requested: Fields) -> Photograph:
        """The photograph that the fields describe; its picture is fetched if only its address was sent.

        Raises:
            UploadTooLarge, BadImage, BadRequest, Overloaded: as `picture.take` and `fields.check_text_formats`.
        """
        encoded = await picture.take(requested, self._fetcher, self._settings.upload_limit, self._settings.pixel_limit)
        if requested.options.text_formats:
            await asyncio.to_thread(fields.check_text_formats, requested.options)
        return photograph.of(requested, encoded)
