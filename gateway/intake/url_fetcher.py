"""Fetches pictures that a caller names by URL (`upload_url`), without giving access to our own network (SSRF)."""

from __future__ import annotations

import asyncio
import io
import re
import ssl
from collections.abc import Callable
from functools import lru_cache
from typing import Final
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

import httpcore

from gateway.intake.text import bare_name
from platelane.errors import BadRequest, ForbiddenAddress, Overloaded, UploadTooLarge
from platelane.runtime.guarded_network import GuardedNetwork, Resolve, resolve
from platelane.runtime.settings import Settings

AT_ONCE: Final = 32
"""Pictures that one process fetches at a time."""
REDIRECTS: Final = 3
_MAX_LENGTH: Final = 2_000
_LOW_PORTS: Final = frozenset({80, 443})
"""The only ports below 1024 that are allowed; the others belong to mail, shells and the like."""
_REDIRECTING: Final = frozenset({301, 302, 303, 307, 308})
_HEADERS: Final = ((b"User-Agent", b"platelane"), (b"Accept", b"image/*"), (b"Accept-Encoding", b"identity"))
_FAILURES: Final = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    OSError,
    UnicodeError,  # a host name that the resolver cannot spell
)
_FORBIDDEN: Final = "upload_url points to an address that this server may not fetch from."
_UNREACHABLE: Final = "The image at upload_url could not be fetched."


class UrlFetcher:
    """Fetches pictures from URLs that callers send."""

    def __init__(self, settings: Settings, resolve: Resolve = resolve) -> None:
        self._limit = settings.upload_limit
        self._timeout = settings.fetch_timeout
        self._backend = GuardedNetwork(settings.fetch_networks, resolve)
        self._fetching = 0

    async def fetch(self, address: str, count: Callable[[int], None] | None = None) -> tuple[bytes, str]:
        """The bytes at a URL, and the file name in it, which may be empty.

        `count` is called with the size of each piece before it is kept, and may raise.

        Raises:
            BadRequest: not an http(s) URL, not a public address, or nothing could be fetched in time.
            UploadTooLarge: more bytes than an upload may have.
            Overloaded: `AT_ONCE` pictures are being fetched already.
        """
        if self._fetching >= AT_ONCE:
            raise Overloaded("The server is fetching as many images as it can at the moment.")
        self._fetching += 1
        try:
            async with asyncio.timeout(self._timeout):
                return await self._follow(address, count)
        except TimeoutError:
            raise BadRequest(f"The image at upload_url did not arrive within {self._timeout:g} seconds.") from None
        except ForbiddenAddress as error:
            raise BadRequest(_FORBIDDEN) from error
        except _FAILURES as error:
            raise BadRequest(_UNREACHABLE) from error
        finally:
            self._fetching -= 1

    async def _follow(self, address: str, count: Callable[[int], None] | None) -> tuple[bytes, str]:
        for _ in range(1 + REDIRECTS):
            target = _split(address)
            context = await asyncio.to_thread(_certificates) if target.scheme == "https" else None
            async with httpcore.AsyncConnectionPool(ssl_context=context, network_backend=self._backend) as pool:
                found = await self._get(pool, target, count)
            if isinstance(found, bytes):
                return found, bare_name(unquote(target.path))
            try:
                address = urljoin(address, found)
            except ValueError as error:
                raise BadRequest(_UNREACHABLE) from error
        raise BadRequest("upload_url redirects too many times.")

    async def _get(
        self, pool: httpcore.AsyncConnectionPool, target: SplitResult, count: Callable[[int], None] | None
    ) -> bytes | str:
        """The body, or the address that the server redirects to."""
        headers = [(b"Host", target.netloc.encode()), *_HEADERS]
        async with pool.stream("GET", _core_url(target), headers=headers) as response:
            if response.status in _REDIRECTING:
                location = next((value for name, value in response.headers if name.lower() == b"location"), b"")
                return location.decode("latin-1")
            if response.status != 200:
                raise BadRequest(f"The server at upload_url answered with status {response.status}.")
            body = io.BytesIO()
            async for chunk in response.aiter_stream():
                if count:
                    count(len(chunk))
                if body.tell() + len(chunk) > self._limit:
                    raise UploadTooLarge(self._limit)
                body.write(chunk)
            return body.getvalue()


def _split(address: str) -> SplitResult:
    """The parts of a URL.

    Raises:
        BadRequest: it is not one that may be fetched.
    """
    text = address.strip()
    try:
        target = urlsplit(text)
        port = target.port
    except ValueError as error:
        raise BadRequest(f"upload_url is not a valid URL: {error}.") from error
    # URL parsers disagree about the host if there is a backslash
    if len(text) > _MAX_LENGTH or re.search(r"[\x00-\x1f\x7f\\]", text):
        raise BadRequest("upload_url is too long or contains characters that are not allowed in a URL.")
    if target.scheme not in ("http", "https") or not target.hostname:
        raise BadRequest("upload_url must start with http:// or https://.")
    if "@" in target.netloc:
        raise BadRequest("upload_url must not contain a user name or password.")
    if port is not None and port < 1024 and port not in _LOW_PORTS:
        raise BadRequest(_FORBIDDEN)
    if "[" in target.netloc and not target.netloc.isascii():
        raise BadRequest("The host name in upload_url is not valid.")
    return target if target.netloc.isascii() else target._replace(netloc=_ascii(target.hostname, port))


def _ascii(host: str, port: int | None) -> str:
    try:
        return host.encode("idna").decode() + (f":{port}" if port is not None else "")
    except UnicodeError as error:
        raise BadRequest("The host name in upload_url is not valid.") from error


def _core_url(target: SplitResult) -> httpcore.URL:
    path = quote(target.path or "/", safe="/%:@!$&'()*+,;=~")
    query = f"?{quote(target.query, safe='/?%:@!$&()*+,;=~')}" if target.query else ""
    return httpcore.URL(
        scheme=target.scheme.encode(),
        host=(target.hostname or "").encode(),
        port=target.port,
        target=(path + query).encode(),
    )


@lru_cache(maxsize=1)
def _certificates() -> ssl.SSLContext:
    """Loaded at the first https URL, because that takes a while."""
    return httpcore.default_ssl_context()
