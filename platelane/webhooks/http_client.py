"""Sends requests to receivers."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import ip_address
from typing import Final, Self

import httpcore
import httpx

from platelane.errors import ForbiddenAddress
from platelane.reasons import first_cause, reason
from platelane.runtime import metrics
from platelane.runtime.guarded_network import GuardedNetwork, Network, is_public
from platelane.webhooks.payload import Payload
from platelane.webhooks.response import EXCERPT, Response

_READ_LIMIT: Final = 64 << 10
_LIMITS: Final = httpx.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=30)
_FAILURES: Final = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    UnicodeError,
    OSError,
)


class WebhookClient:
    """Posts to all receivers of a process. Redirects are never followed, because they could lead anywhere."""

    def __init__(self, timeout: float, networks: Iterable[Network] = ()) -> None:
        """`networks`: private networks that guarded requests may also reach."""
        self._timeout = timeout
        self._client = self._made(None)
        self._guarded = self._made(_GuardedTransport(GuardedNetwork(networks)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()
        await self._guarded.aclose()

    def _made(self, transport: httpx.AsyncBaseTransport | None) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            timeout=self._timeout,
            follow_redirects=False,
            transport=transport,
            verify=_certificates(),
            limits=_LIMITS,
            headers={"Accept-Encoding": "identity"},
            # no cookies are kept, so that receivers on one host do not get each other's
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        )

    async def post(self, target: str, payload: Payload, *, guarded: bool = False) -> Response:
        """Post once; the whole exchange takes at most the timeout.

        `guarded`: only to public addresses and the allowed networks, without showing what the latter answer.
        """
        client = self._guarded if guarded else self._client
        at, start = datetime.now(UTC), time.monotonic()
        status: int | None = None
        retry_after, excerpt, problem = 0.0, "", ""
        try:
            async with (
                asyncio.timeout(self._timeout),
                client.stream("POST", target, content=payload.body, headers=dict(payload.headers)) as response,
            ):
                # read first, because they are valid even if the body never ends
                status, retry_after = response.status_code, seconds_until(response.headers.get("Retry-After"), at)
                body = await _beginning(response)
                if not guarded or _is_public_peer(response):
                    excerpt = _excerpt(response, body)
        except TimeoutError:
            problem = f"not done within {self._timeout:g} seconds"
        except ForbiddenAddress as error:
            problem = error.detail
        except _FAILURES as error:
            problem = _cause(error)[:EXCERPT]
        seconds = round(time.monotonic() - start, 3)
        metrics.webhook(status, seconds)
        detail = problem if status is None else excerpt
        return Response(at=at, status=status, seconds=seconds, detail=detail, retry_after=retry_after)


class _GuardedTransport(httpx.AsyncBaseTransport):
    """HTTP over connections of a guarded network, ignoring the proxies of the environment."""

    def __init__(self, network: GuardedNetwork) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=_certificates(),
            max_connections=_LIMITS.max_connections,
            max_keepalive_connections=_LIMITS.max_keepalive_connections,
            keepalive_expiry=_LIMITS.keepalive_expiry,
            network_backend=network,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        answer = await self._pool.handle_async_request(
            httpcore.Request(
                request.method,
                httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=request.content,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            answer.status, headers=answer.headers, stream=_Body(answer), extensions=dict(answer.extensions)
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    """The body of an answer, as it arrives."""

    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._answer.aiter_stream():
            yield chunk

    async def aclose(self) -> None:
        await self._answer.aclose()


@lru_cache(maxsize=1)
def _certificates() -> ssl.SSLContext:
    """Loaded once for all clients of a process, because it takes a while."""
    return httpx.create_ssl_context()


def _cause(error: Exception) -> str:
    """What the operating system said, or what is wrong with the answer of the other side."""
    if isinstance(error, httpx.ProtocolError | httpcore.ProtocolError):
        return reason(error)
    cause = first_cause(error)
    return "the host's name is not valid" if isinstance(cause, UnicodeError) else reason(cause)


def _is_public_peer(response: httpx.Response) -> bool:
    address = response.extensions["network_stream"].get_extra_info("server_addr")[0]
    return is_public(ip_address(address.partition("%")[0]))


def seconds_until(retry_after: str | None, now: datetime) -> float:
    """The seconds that a Retry-After header asks for, as a number or a date; 0 if it cannot be understood."""
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
