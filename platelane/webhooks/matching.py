"""Decides which results a hook gets. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.webhooks.hook import Filter, Hook
from platelane.webhooks.watchlists import Lists, NoLists
from platelane.webhooks.wildcards import fits


@dataclass(frozen=True, slots=True)
class Match:
    """A plate that was seen, the listed plate nearest to it, and their edit distance."""

    plate: str
    listed: str
    distance: int


def wanted(hook: Hook, result: stages_pb2.Result, lists: Lists | None = None) -> bool:
    """Whether a result goes to a hook; `lists` are the watch-lists that its filter may refer to."""
    rule, recognition = hook.filter, result.recognition
    if not hook.concerns(recognition.camera_id, result.account):
        return False
    seen = texts(recognition)
    if rule.with_plate and not seen:
        return False
    if rule.plates and not any(fits(pattern, text) for pattern in rule.plates for text in seen):
        return False
    if rule.watchlists and not named(hook, recognition, lists or NoLists()):
        return False
    return not rule.watch_list or bool(watched(rule, seen))


def named(hook: Hook, recognition: domain_pb2.Recognition, lists: Lists) -> list[str]:
    """Names of those watch-lists of a hook's filter that contain a plate that was seen."""
    chosen = [found for each in hook.filter.watchlists if (found := lists.get(hook.account, each))]
    seen, time_us = texts(recognition), recognition.timestamp_us
    return list(dict.fromkeys(each.name for each in chosen if any(each.match(text, time_us) for text in seen)))


def texts(recognition: domain_pb2.Recognition) -> list[str]:
    """The plates that were read."""
    return [each.plate.text for each in recognition.sightings if each.HasField("plate") and each.plate.text]


def watched(rule: Filter, seen: Iterable[str]) -> list[Match]:
    """For each plate its nearest match on the watch-list, if any is near enough."""
    return [match for text in seen if (match := _nearest(text, rule.watch_list, rule.distance))]


def _nearest(text: str, listed: Sequence[str], limit: int) -> Match | None:
    found = process.extractOne(text, listed, scorer=Levenshtein.distance, score_cutoff=limit)
    return Match(text, str(found[0]), int(found[1])) if found else None
