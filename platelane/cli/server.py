"""Which server the commands talk to, and how."""

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
from platelane.reasons import reason
from platelane.runtime.settings import Settings, read_settings

READ_PATH: Final = "/v1/plate-reader/"
_OF_THE_API: Final = re.compile("/+(?=(?:v1|alpr|info|docs|openapi.json)/)")
_HINTS: Final = {
    "CERTIFICATE_VERIFY_FAILED": "--ca names the certificate to trust.",
    "WRONG_VERSION_NUMBER": "It may speak HTTP without TLS: then its address begins with http://.",
    "disconnected without sending": "It may speak HTTPS alone: then its address begins with https://.",
}
"""By what is in the words of a library."""

Url = Annotated[
    str | None,
    typer.Option(envvar="PLATELANE_URL", help="Server to use. Default: the one that `platelane up` started here."),
]
Token = Annotated[str, typer.Option(envvar="PLATELANE_TOKEN", help="API token, if the server requires one.")]
Ca = Annotated[
    Path | None,
    typer.Option(
        envvar="SSL_CERT_FILE",
        help="File with the certificate authority of the server, or its own self-signed certificate (PEM).",
    ),
]


def server_address(url: str | None, settings: Settings) -> str:
    """The address to use: the one that was given, else that of the running `platelane up`, which is said on stderr.

    Raises:
        BadRequest: the address is none.
        NotFound: none was given, and nothing runs here. Whoever else listens on the usual port gets no photos.
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
    """The settings, with the NATS of the `platelane up` that runs here, if one does."""
    settings = read_settings()
    running = state.read(settings.state_dir.expanduser())
    return settings.model_copy(update={"nats_url": running.nats_url}) if running else settings


def quiet(level: int = logging.CRITICAL) -> None:
    """Keep from people what the connection to NATS logs below a level."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(level))


def trusted(ca: Path | None) -> ssl.SSLContext:
    """What a server's certificate is checked with. Raises BadRequest for a file that is no certificate."""
    if ca is None:
        return httpx.create_ssl_context()
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:  # ssl.SSLError is one
        raise BadRequest(f"{ca} cannot be used as a certificate (PEM): {reason(error)}.") from error


def is_local(url: str) -> bool:
    """Whether it is on this machine, where no proxy of the environment leads."""
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")


def unreachable(url: str, error: Exception) -> EngineUnavailable:
    """The error of a server that is not there, in one sentence, and what may help."""
    raw = str(error)
    hint = next((f" {words}" for sign, words in _HINTS.items() if sign in raw), "")
    return EngineUnavailable(f"{url} cannot be reached: {reason(error)}.{hint}")


def _base(url: str) -> str:
    """Without the path that photos are sent to, or another one of the API, which many give along."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadRequest(f"{url} is not an address: --url takes one like http://127.0.0.1:8080.")
    path = _OF_THE_API.split(f"{parts.path}/", maxsplit=1)[0]
    return f"{parts.scheme}://{parts.netloc}{path}".rstrip("/")
