"""Watch-lists: plates as people type them, periods of validity, and hooks that refer to a list."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from pydantic import ValidationError

from platelane import times
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.webhooks.hook import Hook
from platelane.webhooks.matching import wanted
from platelane.webhooks.payload import Queued, document
from platelane.webhooks.watchlists import Watchlist, WatchlistSettings

NOON = times.microseconds(datetime.fromisoformat("2026-11-29T12:00:00Z"))


def listed(*plates: dict[str, Any], distance: int = 0) -> Watchlist:
    entries = [{"plate": plate} if isinstance(plate, str) else plate for plate in plates]
    fields = {"id": "a1", "name": "Visitors", "plates": entries, "distance": distance}
    return Watchlist.model_validate(fields, strict=False)


class Known:
    def __init__(self, account: str, watchlist: Watchlist) -> None:
        self._lists = {(account, watchlist.id): watchlist}

    def get(self, account: str, list_id: str) -> Watchlist | None:
        return self._lists.get((account, list_id))


@pytest.mark.parametrize(
    ("typed", "distance", "seen", "hit"),
    [
        ("AB 12-CD", 0, "ab12cd", True),
        ("АВ12", 0, "ab12", True),  # noqa: RUF001
        ("ab12cd", 0, "ab12ce", False),
        ("ab12cd", 1, "ab12ce", True),
        ("ab12cd", 1, "ab12c", True),
        ("ab12cd", 1, "ab12cde", True),
        ("ab12cd", 1, "ab12ef", False),
    ],
)
def test_plates_are_folded_and_compared(typed: str, distance: int, seen: str, hit: bool) -> None:
    assert (listed({"plate": typed}, distance=distance).match(seen, NOON) is not None) is hit


@pytest.mark.parametrize(
    ("start", "end", "hit"),
    [
        (None, None, True),
        ("2026-11-29T12:00:00Z", None, True),
        ("2026-11-29T12:00:01Z", None, False),
        (None, "2026-11-29T12:00:00Z", True),
        (None, "2026-11-29T12:59:59+01:00", False),
        ("2026-11-01T00:00:00Z", "2026-11-30T23:59:59Z", True),
        ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", True),
    ],
)
@pytest.mark.parametrize(("distance", "seen"), [(0, "ab12"), (1, "ab13")])
def test_a_plate_counts_for_its_time(start: str | None, end: str | None, hit: bool, distance: int, seen: str) -> None:
    entry = {"plate": "ab12", "valid_from": start, "valid_to": end}
    assert (listed(entry, distance=distance).match(seen, NOON) is not None) is hit


def test_one_plate_may_hold_at_two_times() -> None:
    past = {"plate": "ab12", "valid_to": "2026-01-01T00:00:00Z", "note": "then"}
    now = {"plate": "ab12", "valid_from": "2026-11-01T00:00:00Z", "note": "now"}
    found = listed(past, now).match("ab12", NOON)
    assert found is not None
    assert found.note == "now"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ('{"plates": []}', "name"),
        ('{"name": " "}', "blank"),
        ('{"name": "a", "distance": 2}', "distance"),
        ('{"name": "a", "plates": [{"plate": "ab*"}]}', "pattern"),
        ('{"name": "a", "plates": [{"plate": "--"}]}', "letter or digit"),
        ('{"name": "a", "plates": [{"plate": "ab", "valid_from": "2026-11-29T12:00:00"}]}', "timezone"),
        ('{"name": "a", "plates": [{"plate": "ab", "valid_from": 5}]}', "valid_from"),
        (
            '{"name": "a", "plates": [{"plate": "a", "valid_from": "2026-02-01T00:00:00Z",'
            ' "valid_to": "2026-01-01T00:00:00Z"}]}',
            "before",
        ),
    ],
)
def test_what_is_refused(fields: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        WatchlistSettings.model_validate_json(fields)


def test_what_is_kept_reads_the_same_again() -> None:
    kept = listed({"plate": "AB-12", "note": "x", "valid_from": "2026-11-29T00:00:00Z"}, distance=1)
    kept.match("ab12", NOON)
    assert Watchlist.model_validate_json(kept.model_dump_json()) == kept
    assert kept.model_dump(mode="json")["plates"] == [
        {"plate": "ab12", "note": "x", "valid_from": "2026-11-29T00:00:00Z", "valid_to": None}
    ]


@pytest.mark.parametrize(
    ("account", "ids", "seen", "names"),
    [
        ("me", ["a1"], "ab12", ["Visitors"]),
        ("me", ["gone", "a1"], "ab12", ["Visitors"]),
        ("me", ["a1"], "ab99", []),
        ("me", ["gone"], "ab12", []),
        ("you", ["a1"], "ab12", []),
    ],
)
def test_a_hook_gets_what_its_lists_have(account: str, ids: list[str], seen: str, names: list[str]) -> None:
    hook = Hook.model_validate(
        {"id": 1, "target": "http://a.example/", "account": account, "filter": {"watchlists": ids}}
    )
    recognition = domain_pb2.Recognition(
        timestamp_us=NOON, sightings=[domain_pb2.Sighting(plate=domain_pb2.Plate(text=seen))]
    )
    lists = Known("me", listed({"plate": "ab12"}))
    assert wanted(hook, stages_pb2.Result(recognition=recognition, account=account), lists) is bool(names)
    assert document(hook, recognition, Queued(1, 0), lists)["hook"]["watchlists"] == names
