from __future__ import annotations

import csv

import numpy as np
import pytest

from ocr import region_prior
from platelane.regions import table
from tests.models import SHIPPED
from tests.models import templates as fitted

CODES = ("gb", "us-ca", "tv")


def reading(*texts: tuple[str, float], unlisted: float = 0.0) -> region_prior.TextDistribution:
    return region_prior.TextDistribution(
        tuple(text for text, _ in texts), np.array([share for _, share in texts]), unlisted
    )


def test_every_region_with_templates_is_measured() -> None:
    with SHIPPED.template_fit_file.open(newline="", encoding="utf-8") as file:
        rows = {row["code"]: row for row in csv.DictReader(file)}
    assert set(rows) == {code for code, region in table().items() if region.templates}
    assert all(int(row["fitting"]) <= int(row["plates"]) and 0 < float(row["others"]) < 1 for row in rows.values())


def test_a_text_that_fits_speaks_for_a_region_and_no_stronger_than_is_allowed() -> None:
    templates = fitted()
    assert 1 <= templates.fitting.min() < templates.fitting.max() <= region_prior.STRONGEST
    assert 1 / region_prior.STRONGEST <= templates.other.min() < templates.other.max() <= 1


def test_is_bayes_rule() -> None:
    templates = fitted(CODES)
    head = np.array([0.3, 0.6, 0.1])
    texts = reading(("ab12cde", 0.5), ("1abc234", 0.3), unlisted=0.2)
    factors = np.array(
        [
            [templates.fitting[0], templates.other[1], 1.0],
            [templates.other[0], templates.fitting[1], 1.0],
            [1.0, 1.0, 1.0],
        ]
    )
    joint = factors * head * np.array([[0.5], [0.3], [0.2]])
    shares, places = region_prior.combine(texts, head, templates)
    assert shares == pytest.approx((joint.sum(axis=1) / joint.sum())[:2])
    assert places == pytest.approx(joint.sum(axis=0) / joint.sum())


def test_what_is_not_read_leaves_the_head_as_it_is() -> None:
    head = np.array([0.3, 0.6, 0.1])
    shares, places = region_prior.combine(reading(("ab12cde", 0.0), unlisted=1.0), head, fitted(CODES))
    assert shares == pytest.approx([0])
    assert places == pytest.approx(head)


def test_a_region_that_is_not_in_the_table_has_no_opinion() -> None:
    templates = fitted(("zz",))
    chances = templates.whole(np.ones(1))
    assert templates.factors(["ab12cde"], chances) == pytest.approx(np.ones((1, len(chances))))


def test_of_glyphs_that_are_drawn_alike_the_shape_says_which() -> None:
    """The reader is surer of O; only as a digit does it fit."""
    texts = reading(("uh1fof", 0.92), ("uh1f0f", 0.05))
    shares, _ = region_prior.combine(texts, np.array([1.0]), fitted(("us-mo",)))
    assert shares[1] > 0.75
    assert shares.sum() == pytest.approx(1.0, abs=0.03)
    shares, _ = region_prior.combine(reading(("bd51smo", 0.92), ("bd51sm0", 0.05)), np.array([1.0]), fitted(("gb",)))
    assert shares[0] > 0.95


def test_where_no_shape_fits_the_reader_decides_and_is_less_sure() -> None:
    shares, _ = region_prior.combine(reading(("nobo", 0.9), ("n0bo", 0.1)), np.array([1.0]), fitted(("us-tx",)))
    assert shares[0] == pytest.approx(0.9**0.25 / (0.9**0.25 + 0.1**0.25), abs=0.01)


def test_named_regions_are_believed_as_far_as_the_plate_may_be_of_their_country() -> None:
    templates = fitted(("de", "gb", "us-ca", "us-mo"))
    likely, odds = templates.hinted(templates.whole(np.array([0.01, 0.01, 0.97, 0.01])), {"us-mo"})
    assert likely[3] == pytest.approx(1.0)
    assert odds == pytest.approx(50 * 0.98)
    _, odds = templates.hinted(templates.whole(np.array([0.99, 0.0, 0.01, 0.0])), {"us-mo"})
    assert odds == pytest.approx(0.5)
    assert templates.hinted(templates.whole(np.ones(4) / 4), {"nowhere"})[1] == 0


def test_a_region_that_the_head_does_not_know_guides_as_well() -> None:
    templates = fitted(("de", "gb"))
    texts = reading(("uba723c", 0.5), ("ubaz23c", 0.5))
    shares, places = region_prior.combine(texts, np.array([0.5, 0.5]), templates, {"ug"})
    assert shares[0] > shares[1]
    assert places.sum() == pytest.approx(1)
