"""One request to a receiver, and what came of it."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final, Self

import httpx

from platelane import metrics
from platelane.hooks.payload import Payload
from platelane.hooks.response import EXCERPT, Response

_READ_LIMIT: Final = 64 << 10


class Poster:
    """Posts to all receivers of a process. Redirects are answers, never followed: they could lead anywhere."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._client = httpx.AsyncClient(
            timeout=timeout,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=30),
            headers={"Accept-Encoding": "identity"},
            # none is kept: receivers on one host are not to get each other's
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def post(self, target: str, payload: Payload) -> Response:
        """Post once; the whole exchange takes at most the timeout."""
        at, start = datetime.now(UTC), time.monotonic()
        status: int | None = None
        retry_after, excerpt, problem = 0.0, "", ""
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._client.stream("POST", target, content=payload.body, headers=dict(payload.headers)) as response,
            ):
                # first, since they hold whether or not the body comes to an end
                status, retry_after = response.status_code, seconds_until(response.headers.get("Retry-After"), at)
                excerpt = _excerpt(response, await _beginning(response))
        except TimeoutError:
            problem = f"not done within {self._timeout:g} seconds"
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, OSError) as error:
            problem = f"{type(error).__name__}: {error}"[:EXCERPT]
        seconds = round(time.monotonic() - start, 3)
        metrics.webhook(status, seconds)
        detail = problem if status is None else excerpt
        return Response(at=at, status=status, seconds=seconds, detail=detail, retry_after=retry_after)


def seconds_until(retry_after: str | None, now: datetime) -> float:
    """What a Retry-After header asks for, as seconds or as a date; 0 where it cannot be understood."""
    if not retry_after:
        return 0.0
    try:
        if retry_after.strip().isdigit():
            return float(retry_after)
        moment = parsedate_to_datetime(retry_after)
        return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now.timestamp())
    except (ValueError, OverflowError):
        return 0.0


async def _beginning(response: httpx.Response) -> bytes:
    body = b""
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > _READ_LIMIT:
            break
    return body


def _excerpt(response: httpx.Response, body: bytes) -> str:
    if response.is_redirect:
        return f"redirects are not followed: {response.headers.get('Location', '')}"[:EXCERPT]
    text = body[: 4 * EXCERPT].decode("utf-8", "replace")
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:EXCERPT]
