from __future__ import annotations

import csv

import numpy as np
import pytest

from ocr import evidence
from platelane import models
from platelane.regions import table

CODES = ("gb", "us-ca", "tv")


def reading(*texts: tuple[str, float], unlisted: float = 0.0) -> evidence.Reading:
    return evidence.Reading(tuple(text for text, _ in texts), np.array([share for _, share in texts]), unlisted)


def test_every_region_with_templates_is_measured() -> None:
    with evidence.FILE.open(newline="", encoding="utf-8") as file:
        rows = {row["code"]: row for row in csv.DictReader(file)}
    assert set(rows) == {code for code, region in table().items() if region.templates}
    assert all(int(row["fitting"]) <= int(row["plates"]) and 0 < float(row["others"]) < 1 for row in rows.values())


def test_a_text_that_fits_speaks_for_a_region_and_no_stronger_than_is_allowed() -> None:
    templates = evidence.templates(models.regions())
    assert 1 <= templates.fitting.min() < templates.fitting.max() <= evidence.STRONGEST
    assert 1 / evidence.STRONGEST <= templates.other.min() < templates.other.max() <= 1


def test_is_bayes_rule() -> None:
    templates = evidence.templates(CODES)
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
    shares, places = evidence.combine(texts, head, templates)
    assert shares == pytest.approx((joint.sum(axis=1) / joint.sum())[:2])
    assert places == pytest.approx(joint.sum(axis=0) / joint.sum())


def test_what_is_not_read_leaves_the_head_as_it_is() -> None:
    head = np.array([0.3, 0.6, 0.1])
    shares, places = evidence.combine(reading(("ab12cde", 0.0), unlisted=1.0), head, evidence.templates(CODES))
    assert shares == pytest.approx([0])
    assert places == pytest.approx(head)


def test_a_region_that_is_not_in_the_table_has_no_opinion() -> None:
    templates = evidence.templates(("zz",))
    assert templates.factors(["ab12cde"], np.ones(1)) == pytest.approx(np.ones((1, 1)))
