"""An upload as it arrives: an encoded picture, or base64 text of one, which is decoded at once."""

from __future__ import annotations

import binascii
import io
from typing import Final

from gateway.intake.base64_text import Base64Decoder
from gateway.intake.turns import TURNS
from platelane.errors import BadImage, UploadTooLarge
from platelane.vision import formats

SLICE: Final = 16 << 10
"""Bytes that are parsed at once; that takes milliseconds at most, whatever they contain."""
_SIGNATURE: Final = 64
"""Bytes that are enough to recognise the format of a picture."""


class Upload:
    """What was sent as `upload`. Feed it, then ask for its `picture`."""

    def __init__(self, limit: int) -> None:
        """`limit`: largest size of the picture, in bytes."""
        self._limit = limit
        self._sent = 0
        self._head = b""
        self._base64: Base64Decoder | None = None
        self._begun = False
        self._kept = io.BytesIO()
        self._problem = ""

    @classmethod
    async def whole(cls, data: bytes, limit: int) -> Upload:
        """An upload that has arrived already; a bare picture is not copied. Raises as `feed`."""
        upload = cls(limit)
        if formats.sniff(data):
            upload._sent, upload._begun = len(data), True
            upload._check(len(data))
            upload._kept = io.BytesIO(data)
            return upload
        for start in range(0, len(data), SLICE):
            await TURNS.wait()
            upload.feed(data[start : start + SLICE])
        return upload

    @property
    def empty(self) -> bool:
        """Whether no byte has arrived."""
        return not self._sent

    def feed(self, piece: bytes) -> None:
        """Take the next piece, of `SLICE` bytes or so.

        Raises:
            UploadTooLarge: the picture is too large; this takes precedence over not being a picture.
            BadRequest: the upload has more percent escapes than base64 can have.
        """
        self._sent += len(piece)
        if self._problem:
            self._check(self._sent)
        elif self._begun:
            self._take(piece)
        else:
            self._head += piece
            if len(self._head) >= _SIGNATURE:
                self._begin()

    def picture(self) -> bytes:
        """The encoded picture, once all of the upload has arrived.

        Raises:
            UploadTooLarge: as `feed`.
            BadImage: neither a picture in an accepted format nor base64 of one.
            BadRequest: as `feed`.
        """
        if not self._begun:
            self._begin()
        if self._base64 and not self._problem:
            self._decode(b"", last=True)
        if self._problem:
            raise BadImage(self._problem)
        return self._kept.getvalue()

    def _begin(self) -> None:
        head, self._head, self._begun = self._head, b"", True
        if not formats.sniff(head):
            self._base64 = Base64Decoder()
        self._take(head)

    def _take(self, piece: bytes) -> None:
        if self._base64:
            self._decode(piece)
        else:
            self._keep(piece)

    def _decode(self, piece: bytes, *, last: bool = False) -> None:
        assert self._base64
        known = self._kept.tell() >= _SIGNATURE
        try:
            self._keep(self._base64.finish() if last else self._base64.feed(piece))
        except binascii.Error:
            self._refuse(f"The upload is neither an image nor base64 of one: {formats.NAMES} are supported.")
            return
        if last and not self._base64.begun:
            self._refuse("The upload is empty.")
        elif not known and (last or self._kept.tell() >= _SIGNATURE) and not formats.sniff(self._kept.getvalue()):
            self._refuse(f"The base64 in upload is not that of a supported image: {formats.NAMES} are.")

    def _refuse(self, problem: str) -> None:
        """Keep nothing from now on, but count further bytes: the upload may be too large, which takes precedence."""
        self._problem, self._kept = problem, io.BytesIO()
        self._check(self._sent)

    def _keep(self, piece: bytes) -> None:
        self._check(self._kept.tell() + len(piece))
        self._kept.write(piece)

    def _check(self, size: int) -> None:
        if size > self._limit:
            self._kept = io.BytesIO()
            raise UploadTooLarge(self._limit)
