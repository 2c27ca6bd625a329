"""A request's body split into its picture and its text fields, whichever encoding the client used.

The first bytes decide, not the declared type: a picture's signature for a bare picture, a boundary for multipart, `{`
for JSON, otherwise a urlencoded form. So a missing or wrong Content-Type does no harm.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.intake import multipart
from gateway.intake.json_text import JsonReader
from gateway.intake.multipart import PartHead, Splitter
from gateway.intake.text import bare_name, decoded
from gateway.intake.upload import Upload
from gateway.intake.urlencoded import UrlencodedReader
from platelane.errors import BadRequest
from platelane.vision import formats

MAX_PARTS: Final = 1_000
"""Fields of one request; `regions` is sent once for each of some 300 regions."""
TEXT_LIMIT: Final = 64 << 10
"""Characters of text in all fields but the upload."""
_LONGEST_CHARACTER: Final = 4
"""Bytes in UTF-8."""
_BEGINNING: Final = 512
"""Bytes that are enough to recognise the encoding of a body."""
_UPLOAD: Final = "upload"
_UTF_16: Final = re.compile(rb"\xff\xfe|\xfe\xff|\x00{0,3}\{\x00")
"""How JSON in UTF-16 or UTF-32 begins."""
_TOO_MUCH: Final = f"The fields other than upload hold more than {TEXT_LIMIT} characters."
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a request.

    `upload` is None if no byte was sent as `upload`; `filename` is the bare name of its file, empty if there is none.
    The other values are text in forms and any JSON value in JSON, by lower-case name; repeated ones keep their order.
    """

    upload: Upload | None = None
    filename: str = ""
    values: Mapping[str, list[Any]] = field(default_factory=dict)

    def last(self, name: str) -> Any:
        """The last value of that name; None if there is none."""
        values = self.values.get(name)
        return values[-1] if values else None


class PartsReader:
    """Reads a body that is fed in pieces of `upload.SLICE` bytes; it keeps the upload only as a decoded picture."""

    def __init__(self, content_type: str, upload_limit: int) -> None:
        """`upload_limit`: bytes that the picture may have."""
        self._content_type = content_type
        self._upload = Upload(upload_limit)
        self._beginning = b""
        self._empty = True
        self._reader: _Reader | None = None

    def feed(self, piece: bytes) -> None:
        """Take the next piece.

        Raises:
            BadRequest: the body is malformed, or there are too many fields or too much text in them.
            UploadTooLarge, BadImage: as `Upload.feed`.
        """
        self._empty = self._empty and not piece
        if self._reader:
            self._reader.feed(piece)
            return
        self._beginning += piece
        if len(self._beginning) >= _BEGINNING:
            self._begin()

    def finish(self) -> Parts:
        """The parts of the whole body. Raises as `feed`."""
        reader = self._reader or self._begin()
        parts = reader.finish()
        nothing = parts.upload is None and not parts.last("upload_url") and not self._empty
        if nothing and isinstance(reader, _Urlencoded) and "json" in self._content_type.lower():
            raise BadRequest('The body is not a JSON object, such as {"upload": "..."}.')
        texts = (value for values in parts.values.values() for value in values if isinstance(value, str))
        if sum(len(text) + 1 for text in texts) > TEXT_LIMIT:
            raise BadRequest(_TOO_MUCH)
        return parts

    def _begin(self) -> _Reader:
        beginning, self._beginning = self._beginning.removeprefix(_BYTE_ORDER_MARK), b""
        if formats.sniff(beginning):
            reader: _Reader = _Picture(self._upload)
        elif boundary := multipart.boundary(beginning, self._content_type):
            reader = _Multipart(self._upload, boundary)
        elif _UTF_16.match(beginning):
            raise BadRequest("The body is text in UTF-16 or UTF-32: only UTF-8 is accepted.")
        elif re.match(rb"\s*\{", beginning):
            reader = _Json(self._upload)
        else:
            reader = _Urlencoded(self._upload)
        self._reader = reader
        reader.feed(beginning)
        return reader


class _Reader(ABC):
    """Reads one encoding of a body.

    There are no reference cycles, so the upload is freed as soon as the reader is.
    """

    def __init__(self, upload: Upload) -> None:
        self.upload = upload
        self.filename = ""
        self.values: dict[str, list[Any]] = {}

    @abstractmethod
    def feed(self, piece: bytes) -> None:
        """Take the next piece."""

    def finish(self) -> Parts:
        return Parts(None if self.upload.empty else self.upload, self.filename, self.values)


def _field(name: str) -> str:
    """The name of a field; `regions[]` and `regions[0]` are how some languages send a list called `regions`."""
    return name.strip().partition("[")[0].lower()


def _add(values: dict[str, list[Any]], name: str, *new: Any) -> None:
    values.setdefault(_field(name), []).extend(new)


class _Picture(_Reader):
    def feed(self, piece: bytes) -> None:
        self.upload.feed(piece)


class _Multipart(_Reader):
    def __init__(self, upload: Upload, boundary: bytes) -> None:
        super().__init__(upload)
        self._sinks = _Sinks(upload)
        self._splitter = Splitter(boundary, MAX_PARTS, self._sinks.of)

    def feed(self, piece: bytes) -> None:
        self._splitter.feed(piece)

    def finish(self) -> Parts:
        self._splitter.finish()
        for text in self._sinks.texts:
            if not text.dropped:
                _add(self.values, text.head.name, text.head.text(bytes(text.data)))
        self.filename = self._sinks.filename
        return super().finish()


class _Sinks:
    """The sinks for the parts of a multipart form."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload
        self._size = _TextSize()
        self.texts: list[_Text] = []
        self.filename = ""

    def of(self, head: PartHead) -> Upload | _Text:
        if _field(head.name) != _UPLOAD:
            text = _Text(self._size, head, is_file=bool(head.filename) or not head.name)
            self.texts.append(text)
            return text
        if not self._upload.empty:
            return _Text(self._size, head, is_file=True)
        self.filename = bare_name(head.filename)
        return self._upload


class _TextSize:
    """Bytes of all texts."""

    def __init__(self) -> None:
        self._size = 0

    def add(self, size: int) -> None:
        self._size += size
        if self._size > TEXT_LIMIT * _LONGEST_CHARACTER:
            raise BadRequest(_TOO_MUCH)


class _Text:
    """The text of a part. Larger files are dropped: some clients send more pictures than the one to be read."""

    def __init__(self, size: _TextSize, head: PartHead, *, is_file: bool) -> None:
        self.head = head
        self._size = size
        self._is_file = is_file
        self.data = bytearray()
        self.dropped = False

    def feed(self, piece: bytes) -> None:
        if self._is_file and len(self.data) + len(piece) > TEXT_LIMIT:
            self._size.add(-len(self.data))
            self.data.clear()
            self.dropped = True
        if not self.dropped:
            self._size.add(len(piece))
            self.data += piece


class _Json(_Reader):
    def __init__(self, upload: Upload) -> None:
        super().__init__(upload)
        self._json = JsonReader(upload)

    def feed(self, piece: bytes) -> None:
        self._json.feed(piece)

    def finish(self) -> Parts:
        fields = self._json.finish()
        if len(fields) > MAX_PARTS:
            raise BadRequest(f"The form has more than {MAX_PARTS} fields.")
        for name, value in fields.items():
            _add(self.values, name, *(value if isinstance(value, list) else [value]))
        return super().finish()


class _Urlencoded(_Reader):
    def __init__(self, upload: Upload) -> None:
        super().__init__(upload)
        values = self.values
        self._form = UrlencodedReader(
            upload, MAX_PARTS, lambda name, value: _add(values, decoded(name), decoded(value))
        )

    def feed(self, piece: bytes) -> None:
        self._form.feed(piece)

    def finish(self) -> Parts:
        self._form.finish()
        return super().finish()
