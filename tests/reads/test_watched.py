"""Reads of plates on watch-lists: the index finds the same ones as the lists themselves."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from gateway.http.reads import watched as as_asked
from platelane.errors import BadRequest
from platelane.pb.v1 import reads_pb2
from platelane.webhooks.watchlists import Listed, Watchlist
from reads import queries, watched

from .conftest import Asked, result

SECONDS = 400


def texts(chance: random.Random, number: int, characters: str = "a0o1") -> list[str]:
    """So few characters that many are near one another."""
    return ["".join(chance.choices(characters, k=chance.choice((1, 2, 3, 4, 5, 6, 7)))) for _ in range(number)]


def watchlist(chance: random.Random, distance: int, number: int) -> Watchlist:
    listed = []
    for text in texts(chance, number):
        start, end = sorted(chance.sample(range(SECONDS), 2))
        listed.append(
            Listed(
                plate=text,
                valid_from=datetime.fromtimestamp(start, UTC) if chance.random() < 0.5 else None,
                valid_to=datetime.fromtimestamp(end, UTC) if chance.random() < 0.5 else None,
            )
        )
    return Watchlist(id="id", name="list", plates=tuple(listed), distance=distance)


@pytest.mark.parametrize("distance", [0, 1])
@pytest.mark.parametrize("few", [watched.FEW, 1])
def test_what_is_on_a_list_is_found(index: Asked, monkeypatch: pytest.MonkeyPatch, distance: int, few: int) -> None:
    monkeypatch.setattr(watched, "FEW", few)
    chance = random.Random(distance)
    seen = texts(chance, SECONDS)
    index.add(*(result(second, text) for second, text in enumerate(seen)))
    lists = [watchlist(chance, distance, 20), watchlist(chance, 0, 5)]
    expected = [text for second, text in enumerate(seen) if any(each.match(text, second * 1_000_000) for each in lists)]
    assert 0 < len(expected) < len(seen)
    asked = [as_asked(each) for each in lists]

    found = index.search(page_size=SECONDS, watched=asked)["reads"]
    assert [read["plate"] for read in found] == expected[::-1]
    assert sum(index.counts("new", watched=asked).values()) == len(expected)
    groups = index.transact(queries.group, reads_pb2.ReadFilter(watched=asked), reads_pb2.GroupReads(page_size=SECONDS))
    assert {group["plate"]: group["count"] for group in groups["groups"]} == {
        text: expected.count(text) for text in expected
    }
    assert index.plates(watched=[as_asked(Watchlist(id="id", name="nobody"))]) == [], "an empty list has no hits"


def test_a_list_that_is_asked_for_again_does_not_remember(index: Asked) -> None:
    index.add(result(1, "ab12cde"), result(2, "xy99"))
    one, other = (Watchlist(id="id", name="list", plates=(Listed(plate=text),)) for text in ("ab12cde", "xy99"))
    for asked, plate in ((one, "ab12cde"), (other, "xy99"), (one, "ab12cde")):
        assert index.plates(watched=[as_asked(asked)]) == [plate]


def test_too_many_hits_are_said(index: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "MOST_SEEN", 1)
    index.add(result(1, "ab12cde"), result(2, "xy99"))
    both = Watchlist(id="id", name="list", plates=(Listed(plate="ab12cde"), Listed(plate="xy99")))
    with pytest.raises(BadRequest, match="More than 1 "):
        index.plates(watched=[as_asked(both)])


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], []),
        ([(1, 3), (2, 5)], [(1, 5)]),
        ([(4, 9), (1, 3)], [(1, 3), (4, 9)]),
        ([(1, 9), (2, 3), (9, 9)], [(1, 9)]),
    ],
)
def test_spans_are_merged(spans: list[tuple[int, int]], expected: list[tuple[int, int]]) -> None:
    assert list(watched.merged(spans)) == expected
