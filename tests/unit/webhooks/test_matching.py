"""Which results a hook gets, and plates as people type them."""

# ruff: noqa: RUF001  plates of other scripts look like Latin ones on purpose

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from rapidfuzz.distance import Levenshtein

from platelane.errors import BadRequest
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.webhooks.hook import Filter, Hook, HookSettings, of_environment
from platelane.webhooks.matching import Match, wanted, watched
from platelane.webhooks.watchlists import Listed
from platelane.webhooks.wildcards import fits, folded

PLATES = st.text("ab1", min_size=1, max_size=7)


def hook(account: str = "", **rule: Any) -> Hook:
    return Hook.model_validate({"id": 1, "target": "http://a.example/", "account": account, "filter": rule})


def result(*plates: str, camera: str = "gate", account: str = "me") -> stages_pb2.Result:
    sightings = [domain_pb2.Sighting(plate=domain_pb2.Plate(text=text)) for text in plates]
    sightings.append(domain_pb2.Sighting(vehicle=domain_pb2.Vehicle()))
    return stages_pb2.Result(recognition=domain_pb2.Recognition(camera_id=camera, sightings=sightings), account=account)


@pytest.mark.parametrize(
    ("rule", "is_wanted"),
    [
        ({}, True),
        ({"with_plate": True}, True),
        ({"cameras": ["gate", "yard"]}, True),
        ({"cameras": ["yard"]}, False),
        ({"plates": ["x*", "AB-1*"]}, True),
        ({"plates": ["b*"]}, False),
        ({"watch_list": ["AB 123", "other"]}, True),
        ({"watch_list": ["ab124"]}, False),
        ({"watch_list": ["ab124"], "distance": 1}, True),
        ({"watch_list": ["b12"], "distance": 1}, False),
        ({"watch_list": ["b12"], "distance": 2}, True),
        ({"watch_list": ["ab123"], "cameras": ["yard"]}, False),
    ],
)
def test_rules(rule: dict[str, Any], is_wanted: bool) -> None:
    assert wanted(hook(**rule), result("zz9", "ab123")) is is_wanted


def test_without_a_plate() -> None:
    assert wanted(hook(), result())
    assert not wanted(hook(with_plate=True), result())
    assert not wanted(hook(plates=["*"]), result())


def test_accounts() -> None:
    assert wanted(hook("me"), result())
    assert not wanted(hook("you"), result())


@given(PLATES, st.lists(PLATES, min_size=1, max_size=5), st.integers(0, 3))
def test_watched_is_the_nearest_within_the_distance(text: str, listed: list[str], distance: int) -> None:
    rule = hook(watch_list=listed, distance=distance).filter
    nearest = min(Levenshtein.distance(text, each) for each in listed)
    found = watched(rule, [text])
    assert [match.distance for match in found] == ([nearest] if nearest <= distance else [])
    assert all(match == Match(text, match.listed, Levenshtein.distance(text, match.listed)) for match in found)


def test_long_watch_lists_are_searched_quickly() -> None:
    rule = hook(watch_list=[f"{number:07d}" for number in range(20_000)], distance=3).filter
    start = time.process_time()
    watched(rule, ["abc1234"] * 10)
    assert time.process_time() - start < 1.0


@pytest.mark.parametrize(
    ("pattern", "text", "does"),
    [
        ("ab*", "ab123", True),
        ("AB-1?3", "ab123", True),
        ("*", "", True),
        ("?", "", False),
        ("ab", "ab123", False),
        ("[a]b*", "ab123", True),
        ("ünî*", "ünî1", True),
        ("*" * 100 + "x", "a" * 200, False),
    ],
)
def test_patterns(pattern: str, text: str, does: bool) -> None:
    assert fits(pattern, text) is does


def test_hostile_pattern_takes_no_time() -> None:
    start = time.process_time()
    assert not fits("*a" * 90 + "b", "a" * 60)
    assert time.process_time() - start < 1.0


def test_plates_as_they_are_spelt() -> None:
    assert folded("  B-MW 12_34 ") == "bmw1234"


def test_hooks_of_the_environment_have_the_same_id_everywhere() -> None:
    one, other = of_environment("http://a.example/"), of_environment("http://b.example/")
    assert one == of_environment("http://a.example/")
    assert one.id != other.id
    assert 2**30 <= min(one.id, other.id) <= max(one.id, other.id) < 2**31


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("KÖ LN 123", "koln123"),
        ("А123ВС777", "a123bc777"),  # Cyrillic
        ("а 123 вс 777", "a123bc777"),
        ("АІ 1234 ЕХ", "ai1234ex"),  # Ukrainian
        ("ΖΗΙ-1234", "zhi1234"),  # Greek
        ("ＡＢ１２３", "ab123"),  # full width
        ("ŁÓ-5ß", "lo5ss"),
        ("Ø 123 Đ", "o123d"),
        ("١٢٣٤ ب", "1234"),  # Arabic digits; the letter has no Latin form
        ("İST 34", "ist34"),
        ("京A·12345", "a12345"),
        ("З 123 ҮӨ", "3123yo"),  # Mongolian
        ("Қ 5 Ј Ѕ", "k5js"),
        ("\u200bAB\u00a0–\u20111２\u200e", "ab12"),  # what comes along with a paste
        ("Ϲ ϒ 1", "cy1"),
        ("ՕՏ 12", "os12"),  # Armenian
        ("ⲂⲞ 12", "bo12"),  # Coptic
        ("Ŧ Ƶ Ɍ Ɨ 1", "tzri1"),
        ("ᴀʙ①²", "ab12"),
    ],
)
def test_plates_are_folded_as_they_are_read(typed: str, read: str) -> None:
    assert folded(typed) == read
    assert fits(typed, read)
    hook = Hook(id=1, target="http://a.example/", filter=Filter(watch_list=(typed,)))
    assert hook.filter.watch_list == (read,)


@given(st.text(max_size=30))
def test_folding_twice_changes_nothing(typed: str) -> None:
    once = folded(typed)
    assert folded(once) == once
    assert once.isascii()


def test_wildcards_stay_in_folded_patterns() -> None:
    assert fits("КÖ*", "kolnab")
    assert fits("?Ö-L*", "kolnab")
    assert not fits("?Ö-L", "kolnab")


@pytest.mark.parametrize("pattern", ["AB*", "?12", "*", "ＡＢ＊", "A？1", "AB﹡", "AB⁇1"])
def test_a_pattern_in_a_watch_list_is_refused(pattern: str) -> None:
    for refused in (
        lambda: HookSettings.checked({"target": "http://a.example/", "filter": {"watch_list": ["X1", pattern]}}),
        lambda: Listed(plate=pattern),
    ):
        said = rf"{re.escape(repr(pattern))} is a pattern.*filter\.plates"
        with pytest.raises((BadRequest, ValidationError), match=said):
            refused()


@pytest.mark.parametrize("nothing", ["京", "---", " ", "Ж"])
def test_a_plate_of_which_nothing_is_read_is_not_dropped_silently(nothing: str) -> None:
    for rule in ({"watch_list": ["X1", nothing]}, {"plates": ["X*", nothing]}, {"plates": [nothing + "京*"]}):
        with pytest.raises(BadRequest, match="has no letter or digit that plates are read with"):
            HookSettings.checked({"target": "http://a.example/", "filter": rule})
    assert Filter(plates=("*", "??-???", "＊", "京A*"))


def test_a_site_tells_no_secrets() -> None:
    hook = Hook(id=1, target="https://user:word@chat.example:8443/hooks/T0/secret?key=k#f")
    assert hook.site == "https://chat.example:8443"
