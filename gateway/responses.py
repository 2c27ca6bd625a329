"""Answers in JSON, errors among them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response


class JsonResponse(Response):
    """Any value that is JSON."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


def error_response(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JsonResponse:
    """An error in the one shape they all have: some clients read `detail`, others `error`."""
    return JsonResponse({"detail": detail, "error": detail, "status_code": status}, status, headers)
