"""Whether a browser may use what is behind a request on behalf of the page that makes it."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request

from platelane.errors import Forbidden
from platelane.settings import Settings


def refuse_foreign_pages(request: Request, settings: Settings) -> None:
    """On-premise no token is asked for, so any page that somebody here looks at could read results and send them away.

    Raises:
        Forbidden: the request comes from a page of another site, and nothing else says who makes it.
    """
    origin = request.headers.get("origin")
    if settings.profile == "sdk" and origin and not _is_ours(origin, request):
        raise Forbidden("Pages of other sites may not use this.")


def _is_ours(origin: str, request: Request) -> bool:
    try:
        return urlsplit(origin).netloc == request.headers.get("host")
    except ValueError:
        return False
