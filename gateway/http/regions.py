"""`/v1/regions/`: the codes that `regions` takes, and what plates of each region look like."""

from __future__ import annotations

from functools import cache
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.responses import JsonResponse
from platelane import models
from platelane.regions import country, table


def routes() -> list[Route]:
    """The table is the same for everybody: it needs no token."""

    async def regions(_request: Request) -> Response:
        return JsonResponse({"regions": _regions()})

    return [Route("/v1/regions", regions, methods=["GET"])]


@cache
def _regions() -> list[dict[str, Any]]:
    predicted = set(models.regions())
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
