"""A request's body as fields, whichever way a client wrapped them.

The bytes decide, not the declared type: a picture by itself, `{` for JSON, a boundary for multipart, and a urlencoded
form otherwise. So a missing or wrong Content-Type costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import orjson
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from gateway import pictures
from platelane.errors import BadRequest

MAX_FIELDS: Final = 200
OTHER_FIELDS: Final = 64 << 10
"""Characters of text in all fields but the upload."""
_TOO_MANY: Final = f"The form has more than {MAX_FIELDS} fields."
_FILENAME_LENGTH: Final = 200
_UPLOAD: Final = "upload"


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a request.

    `upload` is as it was sent: an encoded picture, or text that is base64 of one. The other fields are text in forms
    and any JSON value in JSON; repeated ones keep their order. `waited`: seconds that fetching the picture took.
    """

    upload: bytes | None = None
    filename: str = ""
    values: Mapping[str, list[Any]] = field(default_factory=dict)
    waited: float = 0.0

    def last(self, name: str) -> Any:
        """The value that was given last, None where there is none."""
        values = self.values.get(name)
        return values[-1] if values else None


def parse(body: bytes, content_type: str) -> Form:
    """The fields in `body`.

    Raises:
        BadRequest: it is none of the encodings, broken, or has too many or too long fields.
    """
    form = _form(body, content_type)
    texts = (value for values in form.values.values() for value in values if isinstance(value, str))
    if sum(len(text) + 1 for text in texts) > OTHER_FIELDS:
        raise BadRequest(f"The fields other than upload hold more than {OTHER_FIELDS} characters.")
    return form


def _form(body: bytes, content_type: str) -> Form:
    if pictures.extension(body):
        return Form(upload=body)
    if boundary := _boundary(body, content_type):
        return _multipart(body, boundary)
    if re.match(rb"(\xef\xbb\xbf)?\s*\{", body):
        return _json(body)
    return _urlencoded(body)


def _boundary(body: bytes, content_type: str) -> bytes | None:
    kind, parameters = parse_options_header(content_type)
    if kind.startswith(b"multipart/") and (declared := parameters.get(b"boundary")):
        return declared
    first_line = re.match(rb"--([^\r\n]{1,200})\r\n", body)
    return first_line[1] if first_line else None


@dataclass(slots=True)
class _Part:
    """One part of a multipart body while it is read."""

    headers: dict[bytes, bytes] = field(default_factory=dict)
    header_name: bytes = b""
    data: bytes = b""

    def disposition(self) -> tuple[str, str]:
        """Field name and file name, empty where there is none."""
        value = self.headers.get(b"content-disposition", b"")
        _, parameters = parse_options_header(value)
        filename = _text(parameters.get(b"filename", b""))
        if extended := re.search(rb";\s*filename\*\s*=\s*\"?([\w-]*)'[^']*'([^;\"\s]*)", value):
            filename = _text(unquote_to_bytes(extended[2])) if extended[1].lower() == b"utf-8" else filename
        return _text(parameters.get(b"name", b"")), filename


def _multipart(body: bytes, boundary: bytes) -> Form:
    parts: list[_Part] = []

    def part_begin() -> None:
        if len(parts) == MAX_FIELDS:
            raise BadRequest(_TOO_MANY)
        parts.append(_Part())

    def header_field(data: bytes, start: int, end: int) -> None:
        parts[-1].header_name = data[start:end].lower()

    def header_value(data: bytes, start: int, end: int) -> None:
        parts[-1].headers[parts[-1].header_name] = data[start:end]

    def part_data(data: bytes, start: int, end: int) -> None:
        # the whole body is parsed in one go, so that this is the only copy made of a picture
        parts[-1].data += data[start:end]

    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": part_begin,
                "on_header_field": header_field,
                "on_header_value": header_value,
                "on_part_data": part_data,
            },
        )
        preamble = body.find(b"--" + boundary)  # text for mail readers, which the parser does not know
        parser.write(body[preamble:] if preamble > 0 else body)
        parser.finalize()
    except FormParserError as error:
        raise BadRequest(f"The multipart form is broken: {error}") from error

    upload: bytes | None = None
    upload_name = ""
    values: dict[str, list[Any]] = {}
    for part in parts:
        name, filename = part.disposition()
        if name == _UPLOAD:
            if not upload:
                upload, upload_name = part.data, bare_name(filename)
        elif not filename or len(part.data) <= OTHER_FIELDS:  # some send more pictures than the one to be read
            values.setdefault(_plain(name), []).append(_text(part.data))
    return Form(upload, upload_name, values)


def _json(body: bytes) -> Form:
    try:
        fields = orjson.loads(body.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The body is not valid JSON: {error}") from error
    if len(fields) > MAX_FIELDS:
        raise BadRequest(_TOO_MANY)
    upload = fields.pop(_UPLOAD, None)
    if upload is not None and not isinstance(upload, str):
        raise BadRequest("The field upload has to be base64 text in JSON.")
    values = {_plain(name): value if isinstance(value, list) else [value] for name, value in fields.items()}
    return Form(None if upload is None else upload.encode(), "", values)


def _urlencoded(body: bytes) -> Form:
    pairs = pictures.with_few_escapes(body).split(b"&", MAX_FIELDS)
    if len(pairs) > MAX_FIELDS:
        raise BadRequest(_TOO_MANY)
    upload: bytes | None = None
    values: dict[str, list[Any]] = {}
    for pair in pairs:
        name, _, value = pair.partition(b"=")
        if unquote_to_bytes(name) == _UPLOAD.encode():
            # a "+" stays what it is here: it belongs to the base64, escaped or not
            upload = upload or unquote_to_bytes(value)
        elif name:
            key = _plain(_text(unquote_to_bytes(name.replace(b"+", b" "))))
            values.setdefault(key, []).append(_text(unquote_to_bytes(value.replace(b"+", b" "))))
    return Form(upload, "", values)


def _plain(name: str) -> str:
    """`regions[]` and `regions[0]` are how some languages send a list called `regions`."""
    return name.strip().partition("[")[0].lower()


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def bare_name(filename: str) -> str:
    """The last component of a path of any system, without control characters."""
    name = re.split(r"[/\\]", filename)[-1]
    return "".join(character for character in name if character.isprintable())[-_FILENAME_LENGTH:]
