"""Which results a hook wants. Pure functions."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from platelane.pb.v1 import domain_pb2, stages_pb2

if TYPE_CHECKING:
    from platelane.hooks.hook import Filter, Hook

_NOT_IN_PLATES: Final = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Match:
    """A plate that was seen, one of the watch-list, and in how many characters they differ."""

    plate: str
    listed: str
    distance: int


def normalized(plate: str) -> str:
    """A plate as it is read: lower-case letters and digits only."""
    return _NOT_IN_PLATES.sub("", plate.lower())


def wanted(hook: Hook, result: stages_pb2.Result) -> bool:
    """Whether a result goes to a hook."""
    if hook.account and hook.account != result.account:
        return False
    rule, recognition = hook.filter, result.recognition
    if rule.cameras and recognition.camera_id not in rule.cameras:
        return False
    seen = texts(recognition)
    if rule.with_plate and not seen:
        return False
    if rule.plates and not any(fits(pattern, text) for pattern in rule.plates for text in seen):
        return False
    return not rule.watch_list or bool(watched(rule, seen))


def texts(recognition: domain_pb2.Recognition) -> list[str]:
    """The plates that were read."""
    return [each.plate.text for each in recognition.sightings if each.HasField("plate") and each.plate.text]


def fits(pattern: str, text: str) -> bool:
    """Whether a plate matches a pattern: `?` is one character, `*` any number, case and separators do not count."""
    return _compiled(pattern).fullmatch(text) is not None


def watched(rule: Filter, seen: Iterable[str]) -> list[Match]:
    """For each plate the nearest one of the watch-list, where it is near enough."""
    return [match for text in seen if (match := _nearest(text, rule.watch_list, rule.distance))]


def _nearest(text: str, listed: Sequence[str], limit: int) -> Match | None:
    found = process.extractOne(text, listed, scorer=Levenshtein.distance, score_cutoff=limit)
    return Match(text, str(found[0]), int(found[1])) if found else None


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    # runs of * are one *, so that no pattern takes long
    kept = re.sub(r"[^a-z0-9*?\w]+|_", "", pattern.lower())
    return re.compile(fnmatch.translate(re.sub(r"\*+", "*", kept)))
