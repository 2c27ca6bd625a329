"""`/openapi.json`, and `/docs`, where Swagger UI renders it, using only files of this server."""

from __future__ import annotations

from functools import cache
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from gateway.http.responses import JsonResponse
from gateway.http.static_files import REVALIDATE, SECURITY, StaticFile

_ASSETS: Final = frozenset({"swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"})
_PAGE: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Platelane {version}</title>
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<div id="api"></div>
<noscript>This page needs JavaScript; <a href="/openapi.json">openapi.json</a> describes the API, too.</noscript>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</html>
"""
_START: Final = """\
SwaggerUIBundle({url: "/openapi.json", dom_id: "#api", deepLinking: true, validatorUrl: null});
"""
"""A separate file, because the policy allows no inline script."""


def routes(version: str) -> list[Route]:
    """The document, its page, and the files of the page."""

    async def document(_request: Request) -> Response:
        return JsonResponse(_document(version))

    async def page(_request: Request) -> Response:
        return HTMLResponse(_PAGE.format(version=escape(version)), headers=SECURITY)

    async def start(_request: Request) -> Response:
        return Response(_START, media_type="text/javascript", headers=SECURITY)

    async def asset(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _ASSETS:
            raise HTTPException(404)
        return _asset(name).response(request, REVALIDATE)

    return [
        Route("/openapi.json", document, methods=["GET"], include_in_schema=False),
        Route("/docs", page, methods=["GET"], include_in_schema=False),
        Route("/docs/start.js", start, methods=["GET"], include_in_schema=False),
        Route("/docs/{name}", asset, methods=["GET"], include_in_schema=False),
    ]


@cache
def _document(version: str) -> dict[str, Any]:
    from gateway.http.openapi import document  # builds a hundred models that most processes never need

    return document(version)


@cache
def _asset(name: str) -> StaticFile:
    return StaticFile.read(_swagger_ui() / name)


@cache
def _swagger_ui() -> Path:
    """The folder of Swagger UI's files. The package is not imported, because its code is for other frameworks."""
    package = find_spec("swagger_ui")
    assert package is not None
    assert package.submodule_search_locations
    return Path(package.submodule_search_locations[0], "static")
