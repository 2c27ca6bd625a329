"""Pictures that a caller names by address (`upload_url`), fetched without becoming a way into our own network.

What counts is the address that a connection goes to, not how it was spelt: each host is resolved once, every address
it has must be public, and the connection is made to one of those addresses. So decimal, octal and mapped spellings,
names of inner hosts, redirects to them, and names that change their address in between all end the same way.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

import httpcore

from gateway.forms import bare_name
from platelane.errors import BadRequest, UploadTooLarge
from platelane.settings import Settings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""All addresses of a host, as text."""

REDIRECTS: Final = 3
_LONGEST: Final = 2_000
_LOW_PORTS: Final = frozenset({80, 443})
"""Of the ports below 1024, those of the web; the others belong to mail, shells and the like."""
_REDIRECTING: Final = frozenset({301, 302, 303, 307, 308})
_HEADERS: Final = ((b"User-Agent", b"platelane"), (b"Accept", b"image/*"), (b"Accept-Encoding", b"identity"))
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")
_RELAYS: Final = IPv4Network("192.88.99.0/24")

_TROUBLE: Final = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    OSError,
    UnicodeError,  # a host name that the resolver cannot spell
)
_FORBIDDEN: Final = "upload_url leads to an address that this server does not fetch from."
_UNREACHABLE: Final = "The image at upload_url could not be fetched."


async def resolve(host: str, port: int) -> list[str]:
    """What the system's resolver knows.

    Raises:
        OSError: nothing.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


class Fetcher:
    """Fetches pictures from addresses that callers send."""

    def __init__(self, settings: Settings, resolve: Resolve = resolve) -> None:
        self._limit = settings.upload_limit
        self._timeout = settings.fetch_timeout
        self._backend = _Guarded(settings.fetch_networks, resolve)

    async def fetch(self, address: str) -> tuple[bytes, str]:
        """The bytes at an address and the file name in it, empty where there is none.

        Raises:
            BadRequest: not an http(s) address, not a public one, or nothing could be fetched from it in time.
            UploadTooLarge: more bytes than an upload may have.
        """
        try:
            async with asyncio.timeout(self._timeout):
                return await self._follow(address)
        except TimeoutError:
            raise BadRequest(f"upload_url did not deliver its image within {self._timeout:g} seconds.") from None
        except _TROUBLE as error:
            raise BadRequest(_UNREACHABLE) from error

    async def _follow(self, address: str) -> tuple[bytes, str]:
        for _ in range(1 + REDIRECTS):
            target = _split(address)
            context = await asyncio.to_thread(_certificates) if target.scheme == "https" else None
            async with httpcore.AsyncConnectionPool(ssl_context=context, network_backend=self._backend) as pool:
                found = await self._get(pool, target)
            if isinstance(found, bytes):
                return found, bare_name(unquote(target.path))
            try:
                address = urljoin(address, found)
            except ValueError as error:
                raise BadRequest(_UNREACHABLE) from error
        raise BadRequest("upload_url redirects too often.")

    async def _get(self, pool: httpcore.AsyncConnectionPool, target: SplitResult) -> bytes | str:
        """The body, or where the server says it is."""
        headers = [(b"Host", target.netloc.encode()), *_HEADERS]
        async with pool.stream("GET", _core_url(target), headers=headers) as response:
            if response.status in _REDIRECTING:
                location = next((value for name, value in response.headers if name.lower() == b"location"), b"")
                return location.decode("latin-1")
            if response.status != 200:
                raise BadRequest(f"upload_url answered with status {response.status}.")
            body = bytearray()
            async for chunk in response.aiter_stream():
                body += chunk
                if len(body) > self._limit:
                    raise UploadTooLarge(self._limit)
            return bytes(body)


class _Guarded(httpcore.AsyncNetworkBackend):
    """Connects to public addresses and to `allowed` networks only: the one place where a socket is opened."""

    def __init__(self, allowed: Iterable[Network], resolve: Resolve) -> None:
        self._allowed = tuple(allowed)
        self._resolve = resolve
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        # link-local addresses come with a zone, which says nothing about who may be reached
        found = [ip_address(text.partition("%")[0]) for text in await self._resolve(host, port)]
        if not all(is_public(address) or self._is_allowed(address) for address in found):
            raise BadRequest(_FORBIDDEN)
        problem: Exception = OSError("no address")
        for address in found:
            try:
                return await self._network.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except httpcore.NetworkError as error:
                problem = error
        raise problem

    def _is_allowed(self, address: Address) -> bool:
        return any(_embedded(address) in network for network in self._allowed)


def is_public(address: Address) -> bool:
    """Whether anybody on the internet could reach it: nothing of ours, of this machine's, or of its cloud's."""
    inner = _embedded(address)
    if isinstance(inner, IPv6Address):
        # mapped, translated and tunnelled forms of IPv4 are outside of it, or (6to4, Teredo) not global
        return inner in _GLOBAL_UNICAST and inner.is_global and inner.sixtofour is None
    return inner.is_global and not inner.is_multicast and inner not in _RELAYS


def _embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, mapped (::ffff:0:0/96) or translated (64:ff9b::/96)."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address


def _split(address: str) -> SplitResult:
    """The parts of an address that may be asked.

    Raises:
        BadRequest: it may not.
    """
    text = address.strip()
    try:
        target = urlsplit(text)
        port = target.port
    except ValueError as error:
        raise BadRequest(f"upload_url is not an address: {error}.") from error
    # a backslash is where readers of addresses differ about the host
    if len(text) > _LONGEST or re.search(r"[\x00-\x1f\x7f\\]", text):
        raise BadRequest("upload_url is too long, or has characters that do not belong into an address.")
    if target.scheme not in ("http", "https") or not target.hostname:
        raise BadRequest("upload_url has to be an address that begins with http:// or https://.")
    if "@" in target.netloc:
        raise BadRequest("upload_url must not carry a user name or password.")
    if port is not None and port < 1024 and port not in _LOW_PORTS:
        raise BadRequest(_FORBIDDEN)
    if "[" in target.netloc and not target.netloc.isascii():
        raise BadRequest("upload_url names a host that cannot exist.")
    return target if target.netloc.isascii() else target._replace(netloc=_ascii(target.hostname, port))


def _ascii(host: str, port: int | None) -> str:
    try:
        return host.encode("idna").decode() + (f":{port}" if port is not None else "")
    except UnicodeError as error:
        raise BadRequest("upload_url names a host that cannot exist.") from error


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
    """Loaded when the first https address comes; it takes a while."""
    return httpcore.default_ssl_context()
