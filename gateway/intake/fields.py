"""The values of a request's fields, in all the spellings that clients use.

Unknown fields and values are ignored; a value that cannot be understood at all is a BadRequest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final

import orjson

from gateway.intake.arrivals import Arrival
from gateway.intake.parts import Parts
from gateway.intake.upload import Upload
from platelane import times
from platelane.bus import subjects
from platelane.errors import BadRequest
from platelane.pb.v1 import domain_pb2
from platelane.regions import automata
from platelane.reporting import THRESHOLD_DETECTION, THRESHOLD_TEXT

STRONGEST_BLUR: Final = 10

_MAX_WORDS: Final = 1_000
"""Region codes that are read from one request, including repeated ones."""
_LONGEST_CODE: Final = 20
_LONGEST_NUMBER: Final = 40
"""Characters of a number that is sent as text."""
_MAX_PLATES: Final = 32
_MAX_ZOOMS: Final = 32

_TRUE: Final = frozenset({"true", "t", "1", "yes", "y", "on"})
_MODES: Final = {"fast": domain_pb2.MODE_FAST, "redaction": domain_pb2.MODE_REDACTION}


@dataclass(frozen=True, slots=True)
class Fields:
    """What a request asks for; the time is microseconds since 1970 UTC.

    `upload_url` is empty if a picture was sent, and `filename` if the upload has no name. `arrival` accounts for the
    bytes of the upload.
    """

    upload: Upload | None
    upload_url: str
    filename: str
    options: domain_pb2.Options
    camera_id: str
    timestamp_us: int
    blur: int = STRONGEST_BLUR
    timestamp_sent: bool = False
    """Whether the request has a timestamp; otherwise the time is that of its arrival."""
    arrival: Arrival | None = None


def read(parts: Parts, now: datetime, mode: domain_pb2.Mode | None = None, arrival: Arrival | None = None) -> Fields:
    """The known fields, typed; text formats are not compiled yet. `mode` as in `options`.

    Raises:
        BadRequest: a value cannot be understood.
    """
    address = parts.last("upload_url")
    return Fields(
        upload=parts.upload,
        upload_url=address.strip() if isinstance(address, str) and not parts.upload else "",
        filename=parts.filename,
        options=options(
            parts.last("config"),
            [*parts.values.get("regions", ()), *parts.values.get("region", ())],
            parts.last("mmc"),
            parts.last("direction"),
            parts.last("characters"),
            mode,
        ),
        camera_id=camera_id(parts.last("camera_id")),
        timestamp_us=timestamp_us(parts.last("timestamp"), now),
        blur=blur(parts.last("plates")),
        timestamp_sent=bool(parts.last("timestamp")),
        arrival=arrival,
    )


def check_text_formats(options: domain_pb2.Options) -> None:
    """Compile the text formats. This takes a while, so do not call it on the event loop.

    Raises:
        BadRequest: one of them cannot be used.
    """
    automata.text_formats(list(options.text_formats))


def options(
    config: object = None,
    region_values: Iterable[object] = (),
    mmc: object = None,
    direction: object = None,
    characters: object = None,
    mode: domain_pb2.Mode | None = None,
) -> domain_pb2.Options:
    """How to read the photograph; without arguments, the defaults of the API. Counts that are not sent stay unset, and
    the detector and `platelane.reporting` then decide by the picture.

    `mode` takes precedence over the one in `config`; `characters` may be in either place.

    Raises:
        BadRequest: `config` is not a JSON object.
    """
    wanted = _config(config)
    if mode is None:
        mode = _MODES.get(_word(wanted.get("mode")), domain_pb2.MODE_REGULAR)
    redaction = mode == domain_pb2.MODE_REDACTION
    return domain_pb2.Options(
        mode=mode,
        strict_detection=_word(wanted.get("detection_rule")) == "strict",
        vehicles=_word(wanted.get("detection_mode")) == "vehicle",
        regions=regions(region_values),
        strict_region=_word(wanted.get("region")) == "strict",
        text_formats=_text_formats(wanted.get("text_formats")),
        threshold_detection=_threshold(wanted.get("threshold_d"), None if redaction else THRESHOLD_DETECTION),
        threshold_text=_threshold(wanted.get("threshold_o"), None if redaction else THRESHOLD_TEXT),
        plates_per_vehicle=_count(wanted.get("plates_per_vehicle"), 1, _MAX_PLATES),
        zoom_in_vehicles=_count(wanted.get("zoom_in_vehicles"), 0, _MAX_ZOOMS),
        make_model_color=flag(mmc),
        direction=flag(direction),
        characters=flag(wanted.get("characters") if characters is None else characters),
        explicit_thresholds=redaction,
    )


def regions(values: Iterable[object]) -> list[str]:
    """Region codes from repeated fields and comma lists: lower-case, without duplicates, in the order given."""
    texts = (value.lower() for value in islice(values, _MAX_WORDS) if isinstance(value, str))
    words = (word[0] for text in texts for word in re.finditer(r"[\w-]+", text))
    codes = (word for word in islice(words, _MAX_WORDS) if len(word) <= _LONGEST_CODE)
    return list(dict.fromkeys(codes))


def flag(value: object) -> bool:
    """True for `True`, `true`, `1`, `yes` and `on`; anything else is false."""
    return _word(value) in _TRUE


def blur(value: object) -> int:
    """How strongly plates are blurred: 1 to 10, or 0 for not at all; 10 if the value is missing or not a number."""
    strength = _count(value, 0, STRONGEST_BLUR)
    return STRONGEST_BLUR if strength is None else strength


def camera_id(value: object) -> str:
    """The camera's name; empty for none.

    Raises:
        BadRequest: not text, or too long.
    """
    if value is None:
        return ""
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise BadRequest("camera_id must be a string.")
    name = str(value)
    subjects.encode(name)
    return name


def timestamp_us(value: object, now: datetime) -> int:
    """Microseconds since 1970 UTC of an ISO 8601 time, taken as UTC if it has no offset; now if it is empty.

    Raises:
        BadRequest: not an ISO 8601 time.
    """
    if value is None or value == "":
        return times.microseconds(now)
    if not isinstance(value, str):
        raise BadRequest("timestamp must be a string in ISO 8601, for example 2019-08-19T13:11:25Z.")
    try:
        return times.microseconds(times.parse(value))
    except ValueError as error:
        raise BadRequest(
            f"timestamp is not in ISO 8601, for example 2019-08-19T13:11:25Z: {value.strip()[:60]!r}."
        ) from error


def _config(value: object) -> Mapping[str, Any]:
    if isinstance(value, str):
        if not value.strip():
            return {}
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise BadRequest(f"config is not valid JSON: {error}.") from error
    elif value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRequest('config must be a JSON object, for example {"mode": "fast"}.')
    return value


def _word(value: object) -> str:
    return str(value).strip().lower() if isinstance(value, str | int) else ""


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, str) and len(value) > _LONGEST_NUMBER:
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _threshold(value: object, default: float | None) -> float | None:
    number = _number(value)
    return number if number is not None and 0 <= number <= 1 else default


def _count(value: object, least: int, most: int) -> int | None:
    """None if the value is missing or cannot be used."""
    number = _number(value)
    return int(min(number, most)) if number is not None and number >= least else None


def _text_formats(value: object) -> list[str]:
    formats = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return [each for each in formats[:_MAX_WORDS] if isinstance(each, str) and each]
