"""The OpenAPI document and its page; and the server held against the document by schemathesis."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from gateway.app import VERSION
from gateway.openapi import document
from gateway.schemas import EXAMPLE_PICTURE, Blurred, PlateResult, Recognition, VehicleResult
from platelane.answers import Usage, recognition_body
from tests.unit.test_answers import recognition, seen

from .conftest import Gateway, NatsServer, running_gateway

PATH = "/v1/plate-reader/"


@pytest.fixture(scope="module")
def gateway(served: NatsServer) -> Iterator[Gateway]:
    """Of its own: what is tried here would disturb others."""
    with running_gateway(served) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.client() as client:
        yield client


@pytest.fixture(scope="module")
def api(gateway: Gateway) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_url(f"{gateway.url}/openapi.json")


LENIENT = (PATH, "/v1/blur/", "/v1/results/")
OPERATIONS = [
    (method, path)
    for path, item in document(VERSION)["paths"].items()
    for method in item
    if method != "parameters"
    and path != "/v1/events/"  # never ends
    and (method == "get" or "webhooks" not in path)  # made-up ones would get the other tests' results
]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_the_server_does_what_the_document_says(api: schemathesis.BaseSchema, method: str, path: str) -> None:
    """Whatever is sent, answers have a documented status, type and shape, and none is a failure of the server.

    What takes pictures or queries takes what it does not understand for absent; documents have to be refused.
    """
    operation = api[path][method]
    checks = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
    if path not in LENIENT:
        checks.append(negative_data_rejection)

    @given(
        case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
        | operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
    )
    @settings(max_examples=80, database=None, suppress_health_check=list(HealthCheck))
    def holds(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(checks=checks, timeout=20)

    holds()


def test_the_document(client: httpx.Client) -> None:
    published = client.get("/openapi.json").json()
    assert published == document(VERSION)
    assert published["openapi"] == "3.1.0"
    assert {PATH, "/info/", "/v1/statistics/", "/v1/zones/", "/v1/zones/{camera_id}"} <= set(published["paths"])
    for path, item in published["paths"].items():
        for method in item.keys() - {"parameters"}:
            sent = (
                client.request(method, re.sub("{.*}", "nobody", path), content=b"{}") if "events" not in path else None
            )
            assert sent is None or sent.status_code != 405, (method, path)


def test_the_example_is_read_and_its_answer_has_the_documented_shape(client: httpx.Client) -> None:
    response = client.post(PATH, json={"upload": EXAMPLE_PICTURE})
    assert response.status_code == 200
    Recognition.model_validate_json(response.content, strict=True)
    Blurred.model_validate_json(client.post("/v1/blur", json={"upload": EXAMPLE_PICTURE}).content, strict=True)


def test_the_page_needs_nothing_from_elsewhere(client: httpx.Client) -> None:
    for path in ("/docs", "/docs/"):
        response = client.get(path)
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/html")
    page = response.text
    assert not re.search(r"(src|href)=\"?(https?:)?//|<script|@import|url\(", page)
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(re.findall(r'id="([^"]+)"', page))
    for word in ("/v1/plate-reader/", "/v1/zones/{camera_id}", "PlateResult", "upload_url"):
        assert word in page


@pytest.mark.parametrize("vehicles", [False, True])
def test_answers_of_both_modes_have_the_documented_shape(vehicles: bool) -> None:
    sightings = [seen(), seen(vehicle=False), *([seen(plate=False)] if vehicles else [])]
    body = recognition_body(recognition(*sightings, vehicles=vehicles, make_model_color=True), usage=Usage(1, 2))
    shape = VehicleResult if vehicles else PlateResult
    assert all(isinstance(each, shape) for each in Recognition.model_validate(body).results)
