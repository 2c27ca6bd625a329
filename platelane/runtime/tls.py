"""TLS with the files that the settings name: as a server for clients, and as a client of NATS."""

from __future__ import annotations

import ssl
from pathlib import Path

from platelane.errors import CannotStart
from platelane.reasons import reason
from platelane.runtime.settings import Settings


def server_context(settings: Settings) -> ssl.SSLContext | None:
    """TLS 1.2 or newer with the gateway's certificate; None if the settings name none.

    Raises:
        CannotStart: a file is missing or invalid.
    """
    if not settings.tls_cert and not settings.tls_key:
        return None
    if not settings.tls_cert or not settings.tls_key:
        raise CannotStart("PLATELANE_TLS_CERT and PLATELANE_TLS_KEY must be set together.")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load(context, settings.tls_cert, settings.tls_key)
    return context


def server_files(settings: Settings) -> tuple[bytes, bytes]:
    """The contents of the key and certificate files, which `server_context` has checked."""
    return Path(settings.tls_key).read_bytes(), Path(settings.tls_cert).read_bytes()


def nats_context(settings: Settings) -> ssl.SSLContext | None:
    """The context that verifies NATS' certificate; None if the settings name no files.

    Raises:
        CannotStart: as `server_context`.
    """
    if not settings.nats_ca and not settings.nats_cert:
        return None
    try:
        context = ssl.create_default_context(cafile=settings.nats_ca or None)
    except OSError as error:
        raise CannotStart(f"{settings.nats_ca} cannot be used as the CA of NATS: {reason(error)}.") from error
    if settings.nats_cert:
        _load(context, settings.nats_cert, settings.nats_key or settings.nats_cert)
    return context


def _load(context: ssl.SSLContext, certificate: str, key: str) -> None:
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except OSError as error:  # ssl.SSLError is one
        raise CannotStart(f"{certificate} and {key} are not a certificate and its key: {reason(error)}.") from error


def _no_password() -> str:
    """Keeps OpenSSL from asking for a key's password on the terminal."""
    return ""
