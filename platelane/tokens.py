"""Tokens of the cloud profile. Only properties of a token are stored, never the token itself."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

TokenName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
MOST_CALLS: Final = 2**53
"""What every reader of JSON understands."""
Calls = Annotated[int, Field(ge=0, le=MOST_CALLS)]


class Token(BaseModel):
    """What is stored about a token, under its fingerprint; limits that are None come from the settings."""

    model_config = ConfigDict(frozen=True)

    name: TokenName
    created: datetime = Field(default_factory=lambda: datetime.now(UTC))
    rate_limit: Annotated[int, Field(ge=0)] | None = None
    """Uploads a second; 0: no limit."""
    max_calls: Annotated[int, Field(ge=0)] | None = None
    """Calls a month."""
    admin: bool = False
    """Whether it may manage tokens."""


def new_token() -> str:
    """A random token of 40 hex digits (160 bits). Nobody can guess it, so its hash needs no salt."""
    return secrets.token_hex(20)


def fingerprint(token: str) -> str:
    """SHA-256 as 64 hex digits, under which a token is stored."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def account(fingerprint: str) -> str:
    """The account whose calls are counted for a token."""
    return fingerprint[:16]
