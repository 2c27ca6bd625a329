"""Texts, candidates and regions of one plate, with and without guidance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ocr.decode import DecodedCrop, read
from ocr.guidance import UNGUIDED, Guidance
from platelane import regions
from platelane.errors import BadRequest
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.regions import automata
from platelane.rest_json import CANDIDATES
from tests.models import templates

CHARACTERS = ("", *automata.ALPHABET)
CODES = ("de", "fr", "gb", "us-ca", "us-ny")


def frames(*places: dict[str, float]) -> NDArray[np.float32]:
    """A frame a place with the given probabilities, the rest on the blank, and a blank frame after each."""
    rows = []
    for place in places:
        row = [0.0] * len(CHARACTERS)
        for character, probability in place.items():
            row[CHARACTERS.index(character)] = probability
        row[0] = 1 - sum(place.values())
        rows += [row, [1.0] + [0.0] * (len(CHARACTERS) - 1)]
    return np.array(rows, dtype=np.float32)


def head(**probabilities: float) -> NDArray[np.float32]:
    given = {code.replace("_", "-"): probability for code, probability in probabilities.items()}
    rest = (1 - sum(given.values())) / (len(CODES) - len(given)) if len(given) < len(CODES) else 0
    return np.array([given.get(code, rest) for code in CODES], dtype=np.float32)


EVEN = head()
UNSURE_O = frames({"a": 0.98}, {"b": 0.98}, {"1": 0.98}, {"o": 0.6, "0": 0.39}, {"c": 0.98}, {"d": 0.98}, {"e": 0.98})


def guided(*region_codes: str, formats: tuple[str, ...] = (), strict: bool = False) -> Guidance:
    return Guidance.of(stages_pb2.ReadingOptions(regions=region_codes, text_formats=formats, strict_region=strict))


def plate(
    lattice: NDArray[np.float32], guidance: Guidance = UNGUIDED, regions: NDArray[np.float32] = EVEN
) -> domain_pb2.Plate:
    return read([DecodedCrop.of(lattice, regions, CHARACTERS, guidance)], CHARACTERS, templates(CODES), guidance)


def test_without_guidance_the_reader_decides() -> None:
    found = plate(frames({"x": 0.9}, {"7": 0.9}))
    assert found.text == "x7"
    assert found.candidates[0].value == "x7"
    assert len(found.character_scores) == 2


def test_candidates_have_the_scores_of_their_characters_where_wanted() -> None:
    crops = [DecodedCrop.of(UNSURE_O, EVEN, CHARACTERS)]
    found = read(crops, CHARACTERS, templates(CODES), character_scores=True)
    by_text = {each.value: list(each.character_scores) for each in found.candidates}
    assert by_text[found.text] == list(found.character_scores)
    assert by_text["ab1ocde"][3] == pytest.approx(0.6, abs=0.02)
    assert by_text["ab10cde"][3] == pytest.approx(0.39, abs=0.02)
    assert all(len(scores) == len(text) for text, scores in by_text.items())
    assert not any(each.character_scores for each in plate(UNSURE_O).candidates)


def test_the_likely_region_tips_the_scale_between_similar_characters() -> None:
    assert plate(UNSURE_O, regions=head(gb=0.99)).text == "ab10cde"
    assert plate(UNSURE_O, regions=head(us_ca=0.5, us_ny=0.49)).text == "ab1ocde"


def test_a_text_that_fits_speaks_for_its_region() -> None:
    british = frames({"a": 1}, {"b": 1}, {"1": 1}, {"2": 1}, {"c": 1}, {"d": 1}, {"e": 1})
    found = plate(british, regions=head(de=0.4, gb=0.4))
    assert found.regions[0].value == "gb"
    assert found.regions[0].score > 0.5
    assert sum(each.score for each in found.regions) <= 1 + 1e-6


def test_regions_and_formats_guide_the_reading() -> None:
    wanted = {"ab10cde": guided("gb"), "ab1ocde": guided(formats=("[A-Z]{2}1[A-Z]{4}",))}
    for text, guidance in wanted.items():
        found = plate(UNSURE_O, guidance)
        assert found.text == text
        assert found.candidates[0].value == text
        assert found.text_score > 0.9


def test_guidance_is_dropped_where_the_plate_is_plainly_another() -> None:
    french = frames({"a": 0.99}, {"a": 0.99}, {"1": 0.99}, {"2": 0.99}, {"3": 0.99}, {"b": 0.99}, {"b": 0.99})
    unguided = plate(french)
    assert plate(french, guided(formats=("[0-9]{7}",))).text == unguided.text == "aa123bb"
    assert plate(french, guided(formats=("[0-9]{7}",))).text_score == pytest.approx(unguided.text_score)


def test_strict_leaves_only_what_matches() -> None:
    french = frames({"a": 0.99}, {"a": 0.99}, {"1": 0.99}, {"2": 0.99}, {"3": 0.99}, {"b": 0.99}, {"b": 0.99})
    assert plate(french, guided("fr", strict=True)).text == "aa123bb"
    dropped = plate(french, guided("gb", strict=True))
    assert dropped.text == ""
    assert not dropped.candidates
    found = plate(UNSURE_O, guided("gb", strict=True))
    assert [each.value for each in found.candidates] == ["ab10cde"]


def test_strict_takes_a_template_or_a_format() -> None:
    either = guided("fr", formats=("[a-z]{2}[0-9]{2}[a-z]{3}",), strict=True)
    assert plate(UNSURE_O, either).text == "ab10cde"


@pytest.mark.parametrize("guidance", [guided("nowhere", strict=True), guided("tv", strict=True), guided(strict=True)])
def test_strict_without_anything_to_match_drops_nothing(guidance: Guidance) -> None:
    assert plate(UNSURE_O, guidance) == plate(UNSURE_O)


def test_naming_a_region_makes_it_likelier() -> None:
    vanity = frames({"h": 1}, {"e": 1}, {"y": 1})
    california = plate(vanity, guided("us"), regions=head(de=0.4, us_ca=0.3)).regions[0]
    assert california.value == "us-ca"
    assert plate(vanity, guided("us-ny", "br-sp"), regions=head(us_ca=0.4, us_ny=0.3)).regions[0].value == "us-ny"


ROUND = frames({"u": 0.99}, {"h": 0.99}, {"1": 0.99}, {"f": 0.99}, {"o": 0.98, "0": 0.01}, {"f": 0.99})


@pytest.mark.parametrize("guidance", [UNGUIDED, guided("us-mo"), guided("us-mo", "us-ks"), guided("us")])
def test_a_round_glyph_of_a_us_plate_is_what_fits_the_states_serials(guidance: Guidance) -> None:
    codes = ("de", "us-mo", "us-ks")
    likely = np.array([0.02, 0.95, 0.03], np.float32)
    found = read([DecodedCrop.of(ROUND, likely, CHARACTERS, guidance)], CHARACTERS, templates(codes), guidance)
    assert found.text == "uh1f0f"
    assert found.candidates[1].value == "uh1fof"
    assert found.regions[0].value == "us-mo"


def test_a_named_state_decides_between_glyphs_where_the_head_says_another() -> None:
    codes = ("de", "us-mo", "us-ca")
    likely = np.array([0.02, 0.02, 0.96], np.float32)
    guidance = guided("us-mo")
    found = read([DecodedCrop.of(ROUND, likely, CHARACTERS, guidance)], CHARACTERS, templates(codes), guidance)
    assert found.text == "uh1f0f"


def test_glyphs_of_other_countries_are_as_the_reader_says() -> None:
    found = read([DecodedCrop.of(ROUND, head(gb=0.99), CHARACTERS)], CHARACTERS, templates(CODES))
    assert found.text == "uh1fof"
    assert "uh1f0f" not in [each.value for each in found.candidates if each.score > 0.8]


ALL_CODES = templates().codes
B2 = frames({"b": 0.97}, {"2": 0.97}, {"2": 0.38})
K9 = frames({"k": 0.62}, {"9": 0.97})


@pytest.mark.parametrize(
    "codes",
    [("us",), ("us-ca",), ("us-ma",), ("us", "ca"), ("us-de", "us-ri"), ("gb",), ("de",), ("br",), ("in",), ("om",)],
)
@pytest.mark.parametrize(("lattice", "text"), [(B2, "b2"), (K9, "k9")])
@pytest.mark.parametrize("share", [1.0, 0.0])
def test_a_country_guides_no_harder_than_its_states_do(
    codes: tuple[str, ...], lattice: NDArray[np.float32], text: str, share: float
) -> None:
    """`b22` fits a shape of one state, `9` that of another."""
    states = np.array([code.startswith("us-") for code in ALL_CODES])
    even = (share * states / states.sum() + (1 - share) / len(states)).astype(np.float32)
    guidance = guided(*codes)
    alone = read([DecodedCrop.of(lattice, even, CHARACTERS)], CHARACTERS, templates())
    found = read([DecodedCrop.of(lattice, even, CHARACTERS, guidance)], CHARACTERS, templates(), guidance)
    assert alone.text == found.text == text
    scores = {each.value: each.score for each in alone.candidates}
    for each in found.candidates:
        assert len(each.value) == len(text) or each.score <= scores.get(each.value, 0) + 1e-6


def test_a_bad_format_is_a_bad_request() -> None:
    with pytest.raises(BadRequest):
        guided(formats=("[",))


def probabilities(found: domain_pb2.Plate) -> dict[str, float]:
    """Of the candidates, whose scores are geometric means over the characters of the best."""
    return {each.value: each.score ** max(1, len(found.text)) for each in found.candidates}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_hints_raise_no_character_that_was_not_there(data: st.DataObject) -> None:
    lattice = data.draw(lattices())
    codes = data.draw(st.lists(st.sampled_from(["us", "nowhere", *regions.table()]), max_size=3))
    formats = data.draw(st.lists(st.sampled_from(["[a-z]{2,3}", "[0-9]+", "a.*", "[a-z0-9]{6}"]), max_size=2))
    guidance = guided(*codes, formats=tuple(formats))
    decoded = [DecodedCrop.of(lattice, EVEN, CHARACTERS, guidance)]
    alone, found = (read(decoded, CHARACTERS, templates(CODES), each) for each in (UNGUIDED, guidance))
    before, after = probabilities(alone), probabilities(found)
    for text, probability in after.items():
        assert len(text) == len(alone.text) or probability <= before.get(text, 1) + 1e-6
    if not formats:
        assert len(found.text) == len(alone.text)


@st.composite
def lattices(draw: st.DrawFn) -> NDArray[np.float32]:
    places = draw(
        st.lists(
            st.dictionaries(st.sampled_from("ab10o8z"), st.floats(0.01, 0.24), min_size=1, max_size=4),
            min_size=1,
            max_size=6,
        )
    )
    return frames(*places)


@settings(max_examples=60)
@given(
    lattices(),
    st.lists(st.sampled_from(["gb", "us", "fr", "nowhere"]), max_size=2),
    st.lists(st.sampled_from(["[a-z]{2,3}", "[0-9]+", "a.*"]), max_size=2),
    st.booleans(),
)
def test_answers_keep_their_promises(
    lattice: NDArray[np.float32], codes: list[str], formats: list[str], strict: bool
) -> None:
    guidance = guided(*codes, formats=tuple(formats), strict=strict)
    found = plate(lattice, guidance)
    scores = [each.score for each in found.candidates]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) <= CANDIDATES
    assert all(0 < score <= 1 for score in scores)
    if found.candidates:
        assert found.candidates[0].value == found.text
        assert found.candidates[0].score == found.text_score
        assert len({each.value for each in found.candidates}) == len(scores)
    if strict and (formats or regions.templates(codes)):
        assert all(guidance.accepts(each.value) for each in found.candidates)
    assert len(found.character_scores) == len(found.text)


def test_where_no_state_stands_out_the_country_is_told() -> None:
    texts = frames({"h": 1}, {"e": 1}, {"y": 1})
    torn = plate(texts, regions=head(us_ca=0.3, us_ny=0.3, de=0.3)).regions
    assert [each.value for each in torn][:3] == ["us-ca", "us-ny", "de"], "half of the country's probability stands out"
    codes = (*CODES[:3], "us-ca", "us-ny", "us-tx", "us-wa", "us-pa")
    even = np.array([0.1, 0.0, 0.0, *[0.18] * 5], np.float32)
    thin = read([DecodedCrop.of(texts, even, CHARACTERS)], CHARACTERS, templates(codes)).regions
    assert thin[0].value == "us"
    assert thin[0].score == pytest.approx(0.98, abs=0.01)
    assert thin[1].value == "de"
    assert sum(each.score for each in thin) <= 1 + 1e-6
