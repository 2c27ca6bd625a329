"""The server that the commands talk to: address, certificate, errors."""

from __future__ import annotations

import logging
import re
import ssl
import sys
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import httpx
import structlog
import typer

from platelane.errors import BadRequest, EngineUnavailable, NotFound
from platelane.local import state
from platelane.reasons import first_cause, reason
from platelane.runtime.settings import Settings, read_settings

READ_PATH: Final = "/v1/plate-reader/"
_API_PATH: Final = re.compile("/+(?=(?:v1|alpr|info|docs|openapi.json)/)")
_HINTS: Final = {
    "CERTIFICATE_VERIFY_FAILED": "--ca names the certificate to trust.",
    "WRONG_VERSION_NUMBER": "The server may use plain HTTP: then its address begins with http://.",
    "disconnected without sending": "The server may use HTTPS only: then its address begins with https://.",
}
"""What may help, by a part of the HTTP library's message."""

Url = Annotated[
    str | None,
    typer.Option(envvar="PLATELANE_URL", help="Server to use. Default: the one that `platelane up` started here."),
]
Token = Annotated[str, typer.Option(envvar="PLATELANE_TOKEN", help="API token, if the server requires one.")]
Ca = Annotated[
    Path | None,
    typer.Option(
        envvar="SSL_CERT_FILE",
        help="PEM file with the server's certificate authority, or its own self-signed certificate.",
    ),
]


def server_address(url: str | None, settings: Settings) -> str:
    """The given address, or else that of the running `platelane up`, which is then printed to stderr.

    Raises:
        BadRequest: `url` is not an address.
        NotFound: no address was given and no `platelane up` runs here. There is no default port to fall back on:
            photos must not go to an unknown program that listens there.
    """
    if url:
        return _base(url)
    state_dir = settings.state_dir.expanduser()
    running = state.read(state_dir)
    if running is None:
        raise NotFound(
            f"No Platelane runs here (with {state_dir}). Start one with `platelane up`, or name a server with --url, "
            "such as http://127.0.0.1:8080 for docker compose."
        )
    print(f"Server: {running.url}", file=sys.stderr)
    return running.url


def nats_settings() -> Settings:
    """The settings, with the NATS address of the `platelane up` that runs here, if any."""
    settings = read_settings()
    running = state.read(settings.state_dir.expanduser())
    return settings.model_copy(update={"nats_url": running.nats_url}) if running else settings


def quiet(level: int = logging.CRITICAL) -> None:
    """Hides log lines below `level`, such as those of the NATS connection."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(level))


def trusted(ca: Path | None) -> ssl.SSLContext:
    """The TLS context that trusts `ca`, or the system's authorities. Raises BadRequest if `ca` is not a certificate."""
    if ca is None:
        return httpx.create_ssl_context()
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:  # ssl.SSLError is one
        raise BadRequest(f"{ca} cannot be used as a certificate (PEM): {reason(error)}.") from error


def is_local(url: str) -> bool:
    """Whether `url` is on this machine, so that the environment's proxy must be bypassed."""
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")


def unreachable(url: str, error: Exception) -> EngineUnavailable:
    """The error for a server that does not answer: one sentence, and a hint where there is one."""
    raw = str(error)
    hint = next((f" {words}" for sign, words in _HINTS.items() if sign in raw), "")
    said = error if hint or not isinstance(error, httpx.ConnectError) else first_cause(error)
    return EngineUnavailable(f"{url} cannot be reached: {reason(said)}.{hint}")


def authorization(token: str) -> dict[str, str]:
    """The header that sends the token, if there is one. Raises BadRequest if the token cannot be sent."""
    if not token.isascii() or not token.isprintable():
        raise BadRequest("A token has only letters, digits and signs of ASCII.")
    return {"Authorization": f"Token {token}"} if token else {}


def _base(url: str) -> str:
    """`url` without an API path such as /v1/plate-reader/, which users often paste with it."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:  # brackets that do not match, or a port that is no number
        usable = False
    if not usable:
        raise BadRequest(f"{url} is not an address: --url takes one like http://127.0.0.1:8080.")
    path = _API_PATH.split(f"{parts.path}/", maxsplit=1)[0]
    return f"{parts.scheme}://{parts.netloc}{path}".rstrip("/")
