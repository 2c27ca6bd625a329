"""Protection against pages of other sites, in browsers that can reach this server.

On-premise no token is needed, so without this any page that is opened in this network could read results or create
webhooks: by cross-site requests, which carry their origin, or by its own DNS name pointing here (DNS rebinding), which
shows in the Host header.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request

from platelane.errors import Forbidden
from platelane.runtime.settings import Settings

OPEN_PATHS: Final = frozenset({"/v1/plate-reader", "/v1/blur"})
"""Paths that pages of other sites may use, because they only read photographs."""
_LOCAL_NAMES: Final = ("localhost", "*.localhost", "ip6-localhost", "ip6-loopback")
_LOCAL_DOMAINS: Final = ("local", "localdomain", "lan", "home", "home.arpa", "internal", "fritz.box")
"""Domains that routers add to the names of machines; they are not open for registration."""
_HOST: Final = re.compile(r"(\[[0-9a-zA-Z:.%]+\]|[^:]*)(:[0-9]*)?")


def guarded(path: str) -> bool:
    """Whether a path is only for the operator's own tools and this server's pages; `path` is canonical."""
    return path == "/info" or (path.startswith("/v1/") and path not in OPEN_PATHS)


def refuse_cross_site(request: Request, settings: Settings) -> None:
    """Refuse requests that a browser makes for a page of another site; with the cloud profile, tokens protect.

    Raises:
        Forbidden: the request comes from such a page.
    """
    if settings.profile != "sdk":
        return
    host = request.headers.get("host", "")
    if host and not is_allowed(host, settings.allowed_hosts):
        raise Forbidden(
            f"{host[:100]!r} is not a known name of this server. If it is one, add it to PLATELANE_ALLOWED_HOSTS."
        )
    origin = request.headers.get("origin")
    if origin and not _is_own(origin, host):
        raise Forbidden("Cross-site requests are not allowed here.")


def is_allowed(host: str, allowed: Iterable[str]) -> bool:
    """Whether a Host header names this server: by an IP address, a name of this machine, or one of `allowed`.

    IP addresses are always allowed, since a browser connects to the address it names. `*.example.com` allows all names
    below `example.com`, `*` any.
    """
    found = _HOST.fullmatch(host.strip())
    if found is None:
        return False
    name = found[1].strip("[]").lower().removesuffix(".")
    if _is_address(name):
        return True
    return any(_fits(name, pattern.lower()) for pattern in (*_LOCAL_NAMES, *machine_names(), *allowed))


@lru_cache(maxsize=1)
def machine_names() -> tuple[str, ...]:
    """The names of this machine, without asking a name server."""
    return names_of(socket.gethostname())


def names_of(hostname: str) -> tuple[str, ...]:
    """A machine's full and short name, and its names in the domains of local networks."""
    name = hostname.lower()
    short = name.partition(".")[0]
    return (name, short, *(f"{short}.{domain}" for domain in _LOCAL_DOMAINS))


def _fits(name: str, pattern: str) -> bool:
    return pattern == "*" or name == pattern or (pattern.startswith("*.") and name.endswith(pattern[1:]))


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _is_own(origin: str, host: str) -> bool:
    try:
        return urlsplit(origin).netloc == host
    except ValueError:
        return False
