"""The OpenAPI document and its page; and the server checked against the document by schemathesis."""

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
from gateway.http.openapi import document
from gateway.http.schemas import EXAMPLE_PICTURE, Blurred, PlateResult, Recognition, VehicleResult
from platelane.rest_json import Usage, recognition_body
from tests.support import wait_until
from tests.unit.test_rest_json import recognition, seen

from .conftest import Gateway, NatsServer, running_gateway, running_index

PATH = "/v1/plate-reader/"


@pytest.fixture(scope="module")
def gateway(served: NatsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Of its own, with an index of reads: what is tried here would disturb others."""
    with running_gateway(served) as gateway, running_index(served, tmp_path_factory.mktemp("index")):
        with gateway.client() as client:
            wait_until(lambda: client.get("/v1/reads/").status_code != 503)
        yield gateway


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.client() as client:
        yield client


@pytest.fixture(scope="module")
def api(gateway: Gateway, client: httpx.Client) -> schemathesis.BaseSchema:
    published = without_long_lists(client.get("/openapi.json").json())
    schema = schemathesis.openapi.from_dict(published)
    schema.config.update(base_url=gateway.url)
    return schema


def without_long_lists(schema: Any) -> Any:
    """Lists of thousands are beyond what schemathesis makes: it sends shorter ones and expects a refusal."""
    match schema:
        case dict():
            return {
                name: without_long_lists(value)
                for name, value in schema.items()
                if not (name == "maxItems" and isinstance(value, int) and value > 100)
            }
        case list():
            return [without_long_lists(each) for each in schema]
    return schema


LENIENT = (PATH, "/v1/blur/", "/v1/results/", "/v1/reads/")
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
    if not path.startswith(LENIENT):
        checks.append(negative_data_rejection)

    @given(
        case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
        | operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
    )
    @settings(max_examples=50, database=None, suppress_health_check=list(HealthCheck))
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


def test_the_page_and_its_files_come_from_this_server_alone(client: httpx.Client) -> None:
    for path in ("/docs", "/docs/"):
        response = client.get(path)
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/html")
    page = response.text
    files = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert {"/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css", "/docs/start.js", "/openapi.json"} <= set(files)
    for file in files:
        assert file.startswith("/")
        assert not file.startswith("//")
        assert client.get(file).status_code == 200
    assert "SwaggerUIBundle" in client.get("/docs/swagger-ui-bundle.js").text
    assert "/openapi.json" in client.get("/docs/start.js").text


def test_the_page_may_run_nothing_but_these_files(client: httpx.Client) -> None:
    response = client.get("/docs")
    policy = dict(each.strip().split(" ", 1) for each in response.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert not re.search(r"<script>|<style|\son\w+=|style=", response.text)


@pytest.mark.parametrize("name", ["swagger-editor.js", "nothing.js", "..%2f__init__.py", "..%2f..%2f__init__.py"])
def test_no_other_files_are_served(client: httpx.Client, name: str) -> None:
    assert client.get(f"/docs/{name}").status_code == 404


@pytest.mark.parametrize("vehicles", [False, True])
def test_answers_of_both_modes_have_the_documented_shape(vehicles: bool) -> None:
    sightings = [seen(), seen(vehicle=False), *([seen(plate=False)] if vehicles else [])]
    body = recognition_body(recognition(*sightings, vehicles=vehicles, make_model_color=True), usage=Usage(1, 2))
    shape = VehicleResult if vehicles else PlateResult
    assert all(isinstance(each, shape) for each in Recognition.model_validate(body).results)
