"""`/v1/health/pipeline`: the health of the whole pipeline, for the console and other dashboards."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.http.operator import Operator
from gateway.http.responses import JsonResponse
from gateway.pipeline_health import PipelineHealth


class HealthRoutes:
    """For the operator."""

    def __init__(self, health: PipelineHealth, operator: Operator) -> None:
        self._health = health
        self._operator = operator

    def routes(self) -> list[Route]:
        """The path."""
        return [Route("/v1/health/pipeline", self.pipeline, methods=["GET"])]

    async def pipeline(self, request: Request) -> Response:
        """All parts with their status, and advice if something is wrong."""
        self._operator.admit(request)
        return JsonResponse(await self._health.now())
