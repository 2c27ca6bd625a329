"""From an HTTP request to the photograph it carries: the body read within its limits, then understood."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from starlette.requests import Request

from gateway import fields, forms, pictures
from gateway.recognizer import Photograph
from gateway.remote import Fetcher
from platelane.errors import BadImage, BadRequest, UploadTooLarge
from platelane.settings import Settings

_WRAPPING: Final = 1.6
"""What base64, line breaks and escapes add to a picture at most."""


async def read_form(request: Request, settings: Settings, fetcher: Fetcher) -> forms.Form:
    """Read a request's fields, and fetch the picture where it names only the address of one.

    Raises:
        UploadTooLarge: a body that cannot but hold more than the limit is not read to its end.
        BadRequest: broken encoding, or the body or the picture did not arrive in time.
        starlette.requests.ClientDisconnect: the client hung up.
    """
    body = await _read(request, settings)
    form = forms.parse(body, request.headers.get("content-type", ""))
    address = form.last("upload_url")
    if not form.upload and isinstance(address, str) and address.strip():
        started = time.monotonic()
        upload, filename = await fetcher.fetch(address)
        form = replace(form, upload=upload, filename=filename, waited=time.monotonic() - started)
    return form


async def _read(request: Request, settings: Settings) -> bytes:
    limit = int(settings.upload_limit * _WRAPPING) + forms.OTHER_FIELDS
    if int(request.headers.get("content-length", "0")) > limit:
        raise UploadTooLarge(settings.upload_limit)
    body = bytearray()
    try:
        async with asyncio.timeout(settings.upload_timeout):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise UploadTooLarge(settings.upload_limit)
    except TimeoutError:
        raise BadRequest(f"The upload did not arrive within {settings.upload_timeout:g} seconds.") from None
    return bytes(body)


def photograph(form: forms.Form, upload_limit: int) -> Photograph:
    """The photograph that the fields describe.

    Raises:
        UploadTooLarge: the picture is over the limit.
        BadImage: there is no picture.
        BadRequest: a field cannot be understood.
    """
    image = _image(form, upload_limit)
    return Photograph(
        image=image,
        options=fields.options(
            form.last("config"),
            [*form.values.get("regions", ()), *form.values.get("region", ())],
            form.last("mmc"),
            form.last("direction"),
        ),
        camera_id=fields.camera_id(form.last("camera_id")),
        filename=form.filename or f"upload.{pictures.extension(image)}",
        timestamp_us=fields.timestamp_us(form.last("timestamp"), datetime.now(UTC)),
        waited=form.waited,
    )


def _image(form: forms.Form, upload_limit: int) -> bytes:
    if not form.upload:
        raise BadImage(
            "There is no image: send it in the field upload, as a file or as base64 text, or its address in upload_url."
        )
    try:
        image = pictures.decode_upload(form.upload)
    except BadImage:
        if len(form.upload) > upload_limit:
            raise UploadTooLarge(upload_limit) from None
        raise
    if len(image) > upload_limit:
        raise UploadTooLarge(upload_limit)
    return image
