"""Files for browsers, compressed once, with the hash of their content as their entity tag."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
_INCOMPRESSIBLE: Final = frozenset({".jpg", ".png"})
REVALIDATE: Final = "no-cache"
FOREVER: Final = "public, max-age=31536000, immutable"
SECURITY: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of all pages: only files of this server, no inline scripts, no framing."""


@dataclass(frozen=True)
class StaticFile:
    """A file in memory. `suffix` is that of its name, and determines its type."""

    content: bytes
    suffix: str

    @classmethod
    def read(cls, path: Path) -> StaticFile:
        """Raises OSError if it cannot be read."""
        return cls(path.read_bytes(), path.suffix)

    @cached_property
    def digest(self) -> str:
        """The entity tag of the content."""
        return hashlib.sha256(self.content).hexdigest()[:20]

    @cached_property
    def compressed(self) -> bytes | None:
        """The content compressed by gzip; None for types that do not get smaller."""
        return None if self.suffix in _INCOMPRESSIBLE else gzip.compress(self.content, 6, mtime=0)

    def response(self, request: Request, caching: str, vary: str = "Accept-Encoding") -> Response:
        """The answer to a request for the file: 304 if the browser has it, gzip if it accepts that."""
        tag = f'W/"{self.digest}"'  # weak: it names the content, compressed or not
        headers = {**SECURITY, "Cache-Control": caching, "ETag": tag, "Vary": vary}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        content, compressed = self.content, self.compressed
        if compressed is not None and accepts_gzip(request.headers):
            content = compressed
            headers["Content-Encoding"] = "gzip"
        return Response(content, headers=headers, media_type=_TYPES[self.suffix])


def accepts_gzip(headers: Mapping[str, str]) -> bool:
    """Whether the client accepts gzip."""
    return _quality(headers.get("accept-encoding", ""), "gzip") > 0


def prefers_html(headers: Mapping[str, str]) -> bool:
    """Whether the client asks for HTML explicitly, and prefers it to JSON and the like."""
    accepted = headers.get("accept", "")
    html = _quality(accepted, "text/html")
    return html > 0 and html >= _quality(accepted, "application/json")


def _quality(header: str, wanted: str) -> float:
    """The weight of a value in a header such as Accept; 0 if the header does not name it."""
    for entry in header.split(","):
        value, *parameters = (part.strip().lower() for part in entry.split(";"))
        if value == wanted:
            weight = next((each[2:] for each in parameters if each.startswith("q=")), "1")
            try:
                return float(weight)
            except ValueError:
                return 0.0
    return 0.0
