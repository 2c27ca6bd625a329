"""What callers expect of plates, through the whole system: regions, `region: strict` and `text_formats`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from .conftest import Stack

PATH = "/v1/plate-reader/"
TEXT = "gk482tv"


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.base_url, timeout=20, trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def upload(photo: Path) -> bytes:
    return photo.read_bytes()


def send(client: httpx.Client, upload: bytes, regions: tuple[str, ...] = (), **config: Any) -> httpx.Response:
    fields = {"regions": list(regions), "config": json.dumps(config)}
    return client.post(PATH, data=fields, files={"upload": ("gate.jpg", upload)})


def texts(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [result["plate"] for result in response.json()["results"]]


def test_the_table_of_regions(client: httpx.Client) -> None:
    response = client.get("/v1/regions/")
    assert response.status_code == 200
    regions = {region["code"]: region for region in response.json()["regions"]}
    assert regions["br-sc"]["aliases"] == ["br_sc"]
    assert regions["us"]["predicted"]
    assert regions["us-ca"]["country"] == "us"
    assert not regions["tv"]["predicted"]
    assert "[0-9][a-z][a-z][a-z][0-9][0-9][0-9]" in regions["us-ca"]["templates"]
    assert client.get("/v1/regions").json() == response.json()


@pytest.mark.parametrize("regions", [("fr",), ("us-ca",), ("nowhere",), ("fr", "us-ca")])
def test_regions_are_a_guide(client: httpx.Client, upload: bytes, regions: tuple[str, ...]) -> None:
    response = send(client, upload, regions)
    assert texts(response) == [TEXT]
    result = response.json()["results"][0]
    assert result["candidates"][0] == {"score": result["score"], "plate": TEXT}
    assert 0 < result["region"]["score"] <= 1


@pytest.mark.parametrize(
    ("regions", "formats", "kept"),
    [
        (("fr",), [], True),
        (("us-ca",), [], False),
        (("us-ca", "fr"), [], True),
        (("nowhere",), [], True),
        ((), ["[A-Z]{2}[0-9]{3}[A-Z]{2}"], True),
        ((), ["[0-9]{7}"], False),
        (("us-ca",), ["[a-z]{2}[0-9]{3}[a-z]{2}"], True),
    ],
)
def test_strict_keeps_only_plates_that_match(
    client: httpx.Client, upload: bytes, regions: tuple[str, ...], formats: list[str], kept: bool
) -> None:
    assert texts(send(client, upload, regions, region="strict", text_formats=formats)) == [TEXT] * kept


@pytest.mark.parametrize(
    "expression", ["[", "(a)\\1", "(?=a)b", "(((((a{99}){99}){99}){99}){99})", "(" * 50, "a" * 101]
)
def test_what_is_no_usable_expression_is_refused_at_once(client: httpx.Client, upload: bytes, expression: str) -> None:
    started = time.monotonic()
    response = send(client, upload, text_formats=["[a-z]+", expression])
    assert response.status_code == 400
    assert response.json()["error"].startswith("text_formats")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("expression", [".*a.{30}", "((a|b|ab)*)*", "(.*a.{9}|.*b.{9}|.*c.{9})", "(a?){40}"])
def test_hostile_expressions_are_answered_like_others(client: httpx.Client, upload: bytes, expression: str) -> None:
    assert texts(send(client, upload, text_formats=[expression])) == [TEXT]
