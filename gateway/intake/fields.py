"""The values of a request's fields, as clients were seen to spell them.

What the API does not know is ignored; what cannot be understood at all is a BadRequest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

import orjson

from platelane import patterns
from platelane.bus import subjects
from platelane.errors import BadRequest
from platelane.pb.v1 import domain_pb2

THRESHOLD_DETECTION: Final = 0.2
THRESHOLD_TEXT: Final = 0.6
PLATES_PER_VEHICLE: Final = 1
ZOOM_IN_VEHICLES: Final = 4

STRONGEST: Final = 10

MAX_REGIONS: Final = 50
_MOST_WORDS: Final = 1_000
"""Region codes that are looked at, also where they are the same again and again."""
_LONGEST_CODE: Final = 20
_MOST_PLATES: Final = 32
_MOST_ZOOMS: Final = 32

_TRUE: Final = frozenset({"true", "1", "yes", "on"})
_MODES: Final = {"fast": domain_pb2.MODE_FAST, "redaction": domain_pb2.MODE_REDACTION}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def options(
    config: object = None, region_values: Iterable[object] = (), mmc: object = None, direction: object = None
) -> domain_pb2.Options:
    """How the photograph is to be read; without arguments, the defaults of the API.

    Raises:
        BadRequest: `config` is not a JSON object, or a text format cannot be used.
    """
    wanted = _config(config)
    return domain_pb2.Options(
        mode=_MODES.get(_word(wanted.get("mode")), domain_pb2.MODE_REGULAR),
        strict_detection=_word(wanted.get("detection_rule")) == "strict",
        vehicles=_word(wanted.get("detection_mode")) == "vehicle",
        regions=regions(region_values),
        strict_region=_word(wanted.get("region")) == "strict",
        text_formats=_text_formats(wanted.get("text_formats")),
        threshold_detection=_threshold(wanted.get("threshold_d"), THRESHOLD_DETECTION),
        threshold_text=_threshold(wanted.get("threshold_o"), THRESHOLD_TEXT),
        plates_per_vehicle=_count(wanted.get("plates_per_vehicle"), 1, _MOST_PLATES, PLATES_PER_VEHICLE),
        zoom_in_vehicles=_count(wanted.get("zoom_in_vehicles"), 0, _MOST_ZOOMS, ZOOM_IN_VEHICLES),
        make_model_color=flag(mmc),
        direction=flag(direction),
    )


def regions(values: Iterable[object]) -> list[str]:
    """Region codes, lower-case, each once, in the order given; repeated fields and comma lists alike."""
    texts = (value.lower() for value in islice(values, _MOST_WORDS) if isinstance(value, str))
    words = (word[0] for text in texts for word in re.finditer(r"[\w-]+", text))
    codes = (word for word in islice(words, _MOST_WORDS) if len(word) <= _LONGEST_CODE)
    return list(dict.fromkeys(codes))[:MAX_REGIONS]


def flag(value: object) -> bool:
    """True for `True`, `true`, `1` and their like; anything else is false."""
    return _word(value) in _TRUE


def intensity(value: object) -> int:
    """How strongly plates are blurred: 1 to 10, 0 for not at all; in full where nothing, or no number, is said."""
    return _count(value, 0, STRONGEST, STRONGEST)


def camera_id(value: object) -> str:
    """The camera's name; empty for none.

    Raises:
        BadRequest: not text, or too long.
    """
    if value is None:
        return ""
    if not isinstance(value, str | int | float):
        raise BadRequest("camera_id has to be text.")
    name = str(value)
    subjects.encode(name)
    return name


def timestamp_us(value: object, now: datetime) -> int:
    """Microseconds since 1970 UTC of an ISO 8601 time, which is UTC where it names no offset; empty is now.

    Raises:
        BadRequest: not such a time.
    """
    if value is None or value == "":
        return _microseconds(now)
    if not isinstance(value, str):
        raise BadRequest("timestamp has to be text in ISO 8601, for example 2019-08-19T13:11:25.")
    text = value.strip()
    # the plus sign of an offset, read as a space by a form decoder
    for candidate in (text, re.sub(r" (\d\d:?\d\d)$", r"+\1", text)):
        try:
            moment = datetime.fromisoformat(candidate)
            # what is in no year of UTC could not be echoed
            return _microseconds(moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC))
        except (ValueError, OverflowError):
            continue
    raise BadRequest(f"timestamp is not in ISO 8601, for example 2019-08-19T13:11:25: {text[:60]!r}.")


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


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
        raise BadRequest('config has to be a JSON object, for example {"mode": "fast"}.')
    return value


def _word(value: object) -> str:
    return str(value).strip().lower() if isinstance(value, str | int) else ""


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _threshold(value: object, default: float) -> float:
    number = _number(value)
    return number if number is not None and 0 <= number <= 1 else default


def _count(value: object, least: int, most: int, default: int) -> int:
    number = _number(value)
    return int(min(number, most)) if number is not None and number >= least else default


def _text_formats(value: object) -> list[str]:
    formats = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    expressions = [each for each in formats if isinstance(each, str) and each]
    patterns.text_formats(expressions)
    return expressions
