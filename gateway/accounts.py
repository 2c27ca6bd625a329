"""Whose calls are counted, and who may call at all."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime

from platelane.errors import Forbidden
from platelane.settings import Settings

EVERYBODY = "everybody"
"""The account of the on-premise server, which knows no callers."""


def account_of(authorization: str | None, settings: Settings) -> str:
    """The account a request counts on. The on-premise profile takes any token or none.

    Raises:
        Forbidden: the cloud profile does not know the token.
    """
    if settings.profile == "sdk":
        return EVERYBODY
    token = (authorization or "").rpartition(" ")[2].encode()
    known = [secrets.compare_digest(token, each.get_secret_value().encode()) for each in settings.tokens]
    if not any(known):
        raise Forbidden("Invalid token.")
    return hashlib.sha256(token).hexdigest()[:16]


def month_of(moment: datetime) -> str:
    """The period that usage is counted in, such as `2026-11`."""
    return moment.astimezone(UTC).strftime("%Y-%m")
