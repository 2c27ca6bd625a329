"""`/v1/regions/`: the codes that `regions` accepts, and the plate formats of each region."""

from __future__ import annotations

from functools import cache
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.http.static_files import REVALIDATE, StaticFile
from platelane.regions import country, table
from platelane.vision.model_specs import ModelRepository


def routes(models: ModelRepository) -> list[Route]:
    """The table is the same for everybody, so it needs no token."""

    async def regions(request: Request) -> Response:
        return _table(models.regions).response(request, REVALIDATE)

    return [Route("/v1/regions", regions, methods=["GET"])]


@cache
def _table(codes: tuple[str, ...]) -> StaticFile:
    return StaticFile(orjson.dumps({"regions": _regions(codes)}), ".json")


def _regions(codes: tuple[str, ...]) -> list[dict[str, Any]]:
    predicted = set(codes)
    countries = {country(code) for code in predicted}
    return [
        {
            "code": region.code,
            "name": region.name,
            "country": region.country,
            "aliases": region.aliases,
            "predicted": region.code in predicted or region.code in countries,
            "vanity": region.vanity,
            "templates": region.templates,
            "older": region.older,
        }
        for region in table().values()
    ]
