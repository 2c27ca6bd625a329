"""The table of regions agrees with the API's documents, and its templates with plates."""

from __future__ import annotations

import re
from pathlib import Path

import greenery
import pytest

from platelane.regions import fits, named, table, templates
from tests.models import SHIPPED

DOCUMENTS = sorted(Path(__file__).parents[4].glob("shared/reference/seeds/*.txt"))

needs_documents = pytest.mark.skipif(not DOCUMENTS, reason="the API's documents are not on this machine (../shared)")


def documented() -> dict[str, bool]:
    """Codes of the documents' tables, as spelt there, and whether one says that the classifier predicts them."""
    codes: dict[str, bool] = {}
    for document in DOCUMENTS:
        _, found, tables = document.read_text(encoding="utf-8").partition("Country Codes\n")
        for line in tables.partition("Error Code")[0].splitlines() if found else ():
            row = re.fullmatch(r".+ ([a-z]{2}(?:[-_][a-z0-9]+)?|[A-Z]{1,3})( Yes)?", line)
            if row:
                codes[row[1]] = codes.get(row[1], False) or row[2] is not None
    return codes


@needs_documents
def test_every_code_of_the_documents_is_known() -> None:
    codes = documented()
    assert len(codes) > 500
    assert [code for code in codes if not named(code)] == []


@needs_documents
def test_what_is_called_documented_is_in_the_documents() -> None:
    spelt = {code.lower() for code in documented()}
    beyond = [
        region.code
        for region in table().values()
        if region.documented and not spelt & {region.code, region.code.replace("-", "_"), *region.aliases}
    ]
    assert beyond == []


@needs_documents
def test_countries_that_the_documents_predict_have_templates_and_are_predicted() -> None:
    predicted = {code.partition("-")[0] for code in SHIPPED.regions}
    countries = [code for code, yes in documented().items() if yes]
    assert [code for code in countries if not templates([code])] == []
    assert set(countries) - predicted <= {"eg", "uz"}, "their plates are read without their script"


def test_every_template_is_an_expression_that_reading_can_be_guided_by() -> None:
    expressions = {each for region in table().values() for each in (*region.templates, *region.older)}
    assert len(expressions) > 300
    for expression in expressions:
        assert not greenery.parse(expression).empty()


def test_every_predicted_code_is_in_the_table() -> None:
    assert [code for code in SHIPPED.regions if code not in table() or not templates([code])] == []


@pytest.mark.parametrize(
    ("code", "meant"),
    [
        ("br_sc", ["br-sc"]),
        ("BR-SC", ["br-sc"]),
        ("gp", ["gp", "gt"]),
        ("gt", ["gt"]),
        ("np", ["mp", "np"]),
        ("cy", ["cy", "ky"]),
        ("cb", ["kh"]),
        ("ALX", ["eg-alx"]),
        ("eg-alx", ["eg-alx"]),
        ("ACI", ["jp-aci"]),
        ("DK", ["dk"]),
        ("nowhere", []),
    ],
)
def test_codes_mean_what_the_documents_say(code: str, meant: list[str]) -> None:
    assert sorted(region.code for region in named(code)) == meant


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("gb", "ab12cde"),
        ("gb", "a123bcd"),
        ("de", "mxy1234"),
        ("de", "mxy123e"),
        ("fr", "aa123bb"),
        ("it", "ab123cd"),
        ("es", "1234bcd"),
        ("pt", "12ab34"),
        ("pl", "wa12345"),
        ("cz", "1a23456"),
        ("hu", "aabb123"),
        ("ro", "b123abc"),
        ("ch", "zh123456"),
        ("nl", "12bdf3"),
        ("be", "1abc123"),
        ("se", "abc12d"),
        ("ie", "131d12345"),
        ("br", "abc1d23"),
        ("br", "abc1234"),
        ("ar", "ab123cd"),
        ("cl", "bbcd12"),
        ("pe", "a1b234"),
        ("mx", "abc123d"),
        ("in", "mh12ab1234"),
        ("in", "22bh1234aa"),
        ("cn", "a12345"),
        ("cn", "ad12345"),
        ("tr", "34abc12"),
        ("ua", "aa1234bb"),
        ("kz", "123abc02"),
        ("uz", "01a123bc"),
        ("vn", "51f12345"),
        ("za", "bc12bbgp"),
        ("ae-du", "a12345"),
        ("au-nsw", "ab12cd"),
        ("au-vic", "1ab2cd"),
        ("ca-on", "abcd123"),
        ("ca-bc", "ab123c"),
        ("us-ca", "1abc234"),
        ("us-ca", "123abc4"),
        ("us-ny", "abc1234"),
        ("us-wv", "1ab234"),
        ("us-ma", "1abc23"),
        ("us-mt", "123456a"),
        ("vn", "29m0131100"),
        ("fr", "171bwf974"),
        ("de", "tu713z"),
        ("de", "0140155"),
        ("ch", "cdbe289"),
        ("dk", "aa2108"),
        ("se", "af093d"),
        ("me", "pg11259"),
        ("au-vic", "12689h"),
    ],
)
def test_plates_fit_their_region(code: str, text: str) -> None:
    assert table()[code].fits(text)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("gb", "1234567"),
        ("fr", "ai123bb"),
        ("es", "1234aei"),
        ("us-ca", "abc1234"),
        ("tr", "99abc12"),
        ("de", "123456"),
    ],
)
def test_other_plates_do_not(code: str, text: str) -> None:
    assert not table()[code].fits(text)


def test_a_country_stands_for_its_parts_and_a_part_without_templates_for_its_country() -> None:
    assert set(templates(["us-ca"])) < set(templates(["us"]))
    assert templates(["br-sp"]) == templates(["br"])
    assert templates(["tv"]) == ()
    assert templates(["nowhere"]) == ()


@pytest.mark.parametrize(
    ("code", "text", "does"),
    [
        ("us", "7abc123", True),
        ("us-ca", "7abc123", True),
        ("gb", "ab12cde", True),
        ("gb", "taxi", False),
        ("xx", "a1", False),
    ],
)
def test_a_text_fits_a_country_if_it_fits_a_part_of_it(code: str, text: str, does: bool) -> None:
    assert fits(code, text) is does
