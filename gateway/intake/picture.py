"""The encoded picture of a request, from its upload or from the address that it names."""

from __future__ import annotations

import time
from dataclasses import dataclass

from gateway.intake.fields import Fields
from gateway.intake.upload import Upload
from gateway.intake.url_fetcher import UrlFetcher
from platelane.errors import BadImage
from platelane.vision import header


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture whose format and size have been checked, and its file name.

    `waited`: seconds that fetching it took.
    """

    data: bytes
    filename: str
    pixels: int
    waited: float = 0.0


async def take(fields: Fields, fetcher: UrlFetcher, upload_limit: int, pixel_limit: int) -> Picture:
    """The picture, fetched if the request only names its address.

    Raises:
        UploadTooLarge: more than `upload_limit` bytes.
        BadImage: there is no picture, it cannot be read, or it has more than `pixel_limit` pixels.
        BadRequest: the address may not be fetched from, or nothing arrived in time.
        Overloaded: too many pictures are being fetched, or too many bytes are held already.
    """
    filename, waited = fields.filename, 0.0
    if fields.upload:
        data = fields.upload.picture()
    elif fields.upload_url:
        started = time.monotonic()
        fetched, filename = await fetcher.fetch(fields.upload_url, fields.arrival.add if fields.arrival else None)
        waited = time.monotonic() - started
        data = (await Upload.whole(fetched, upload_limit)).picture()
    else:
        raise BadImage("There is no image: send one in upload, as a file or as base64, or its URL in upload_url.")
    if fields.arrival:
        fields.arrival.shrink_to(len(data))
    found = header.probe(data, pixel_limit)
    return Picture(data, filename or f"upload.{found.format.extension}", found.pixels, waited)
