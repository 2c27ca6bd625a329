"""Sends requests to receivers."""

from __future__ import annotations

import asyncio
import io
import ssl
import string
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from ipaddress import ip_address
from typing import Final, Self
from urllib.parse import quote, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx
from aiohttp.connector import Connection
from yarl import URL

from platelane.errors import ForbiddenAddress
from platelane.reasons import first_cause, reason
from platelane.runtime import metrics
from platelane.runtime.guarded_network import GuardedNetwork, Network, is_public
from platelane.webhooks.payload import Payload
from platelane.webhooks.response import EXCERPT, Response

_READ_LIMIT: Final = 64 << 10
_REDIRECTING: Final = frozenset({301, 302, 303, 307, 308})
_FAILURES: Final = (aiohttp.ClientError, OSError, ValueError)


class WebhookClient:
    """Posts to all receivers of a process. Redirects are never followed, because they could lead anywhere."""

    def __init__(self, timeout: float, networks: Iterable[Network] = ()) -> None:
        """`networks`: private networks that guarded requests may also reach."""
        self._timeout = timeout
        self._network = GuardedNetwork(networks)
        self._proxies = getproxies()

    async def __aenter__(self) -> Self:
        certificates = _certificates()
        self._session = _session(aiohttp.TCPConnector(limit=0, ssl=certificates))
        self._guarded = _session(
            aiohttp.TCPConnector(
                limit=0,
                ssl=certificates,
                socket_factory=self._network.socket_to,
                happy_eyeballs_delay=None,  # it would hide that an address is forbidden
            )
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        await self._guarded.close()

    async def post(self, target: str, payload: Payload, *, guarded: bool = False) -> Response:
        """Post once; the whole exchange takes at most the timeout.

        `guarded`: only to public addresses and the allowed networks, without showing what the latter answer, and
        without the proxies of the environment.
        """
        at, start = datetime.now(UTC), time.monotonic()
        status: int | None = None
        retry_after, excerpt, problem = 0.0, "", ""
        try:
            url, headers = _addressed(target, payload.headers)
            session, proxy = (self._guarded, None) if guarded else (self._session, self._proxy(url))
            content = io.BytesIO(payload.body)  # as bytes, a large body would go to the socket in one piece
            async with (
                asyncio.timeout(self._timeout),
                session.post(url, data=content, headers=headers, allow_redirects=False, proxy=proxy) as answer,
            ):
                # read first, because they are valid even if the body never ends
                status, retry_after = answer.status, seconds_until(answer.headers.get("Retry-After"), at)
                body = await _beginning(answer)
                if not guarded or _is_public_peer(answer):
                    excerpt = _excerpt(answer, body)
        except TimeoutError:
            problem = f"not done within {self._timeout:g} seconds"
        except ForbiddenAddress as error:
            problem = error.detail
        except _FAILURES as error:
            problem = _printable(_cause(error))
        seconds = round(time.monotonic() - start, 3)
        metrics.webhook(status, seconds)
        detail = problem if status is None else excerpt
        return Response(at=at, status=status, seconds=seconds, detail=detail, retry_after=retry_after)

    def _proxy(self, url: URL) -> str | None:
        """The proxy that the environment names for an address (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY)."""
        if not self._proxies or proxy_bypass(url.host or ""):
            return None
        proxy = self._proxies.get(url.scheme) or self._proxies.get("all")
        return proxy if proxy is None or "://" in proxy else f"http://{proxy}"


class _Answer(aiohttp.ClientResponse):
    """An answer that knows from which address it came, after its connection is given back, too."""

    peer: str

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        transport = connection.transport
        self.peer = transport.get_extra_info("peername")[0] if transport else ""
        return await super().start(connection)


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        response_class=_Answer,
        timeout=aiohttp.ClientTimeout(),  # `post` has its own
        headers={"Accept": "*/*", "Accept-Encoding": "identity"},
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),  # receivers on one host do not get each other's cookies
        max_line_size=_READ_LIMIT,
        max_field_size=_READ_LIMIT,
    )


@lru_cache(maxsize=1)
def _certificates() -> ssl.SSLContext:
    """Loaded once for all clients of a process, because it takes a while."""
    return httpx.create_ssl_context()


def _addressed(target: str, headers: Mapping[str, str]) -> tuple[URL, Mapping[str, str]]:
    """The address of a target, with its escapes as they are, and the headers with the credentials of the target.

    Raises:
        ValueError: it is not a valid address.
    """
    parts = urlsplit(target)
    host = parts.netloc.rpartition("@")[2]
    origin = URL(f"{parts.scheme}://{host}").origin()  # names in other scripts become ASCII
    path = quote(f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}", safe=string.punctuation)
    if parts.username or parts.password:
        credentials = aiohttp.encode_basic_auth(unquote(parts.username or ""), unquote(parts.password or ""), "utf-8")
        headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
        headers = {**headers, "Authorization": credentials}
    return URL(f"{origin}{path}", encoded=True), headers


def _cause(error: Exception) -> str:
    """What the operating system said, or what is wrong with the answer of the other side."""
    if isinstance(error, aiohttp.ClientResponseError):
        return "the answer is not valid HTTP"
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError):
        return "the receiver hung up without an answer"
    cause = first_cause(error)
    return "the host's name is not valid" if isinstance(cause, UnicodeError | aiohttp.InvalidURL) else reason(cause)


def _is_public_peer(answer: aiohttp.ClientResponse) -> bool:
    return isinstance(answer, _Answer) and is_public(ip_address(answer.peer.partition("%")[0]))


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


async def _beginning(answer: aiohttp.ClientResponse) -> bytes:
    body = b""
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > _READ_LIMIT:
            break
    return body


def _excerpt(answer: aiohttp.ClientResponse, body: bytes) -> str:
    if answer.status in _REDIRECTING:
        return _printable(f"redirects are not followed: {answer.headers.get('Location', '')}")
    return _printable(body[: 4 * EXCERPT].decode("utf-8", "replace"))


def _printable(text: str) -> str:
    """The beginning of a text from outside on one line, without what cannot be stored, such as halves of surrogates."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:EXCERPT]
