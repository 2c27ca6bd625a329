"""Pages of results: how large, and where the next one is."""

from __future__ import annotations

import pytest

from gateway.http.results import next_page, page_size
from platelane.errors import BadRequest


@pytest.mark.parametrize(("text", "size"), [("", 50), ("0", 50), ("1", 1), ("200", 200), ("201", 200), ("9" * 18, 200)])
def test_page_sizes(text: str, size: int) -> None:
    assert page_size({"page_size": text}) == size
    assert page_size({}) == 50


def test_what_is_no_size() -> None:
    with pytest.raises(BadRequest, match="page_size"):
        page_size({"page_size": "-1"})


def test_the_next_page_asks_for_the_same() -> None:
    parameters = {"camera_id": "gate 7", "plate": "ä*", "before": "9"}
    assert next_page(parameters, 5) == "/v1/results/?camera_id=gate+7&plate=%C3%A4%2A&before=5"
    assert next_page(parameters, None) is None
