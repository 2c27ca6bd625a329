"""A hook: where results go, in which form, and which of them. Validated where it comes in, frozen from then on."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from platelane import validation
from platelane.errors import BadRequest
from platelane.webhooks.wildcards import checked, checked_pattern

SECRET_PREFIX: Final = "whsec_"
MASK: Final = "***"
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_OURS: Final = frozenset({"host", "content-length", "content-type", "transfer-encoding", "connection"})
_FIRST_ENVIRONMENT_ID: Final = 1 << 30
"""Hooks of the environment have ids from here on, others count up from 1; all fit a 32-bit integer."""

Word = Annotated[str, Field(min_length=1, max_length=200)]


class Filter(BaseModel):
    """Which results a hook wants: those for which every condition that is given holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    with_plate: bool = False
    cameras: tuple[Word, ...] = Field((), max_length=1_000)
    plates: tuple[Word, ...] = Field((), max_length=1_000)
    """Patterns, one of which a plate has to match: `ab*`, `??123*`."""
    watch_list: tuple[Word, ...] = Field((), max_length=20_000)
    """Plates, one of which has to be seen."""
    distance: int = Field(0, ge=0, le=3)
    """Characters that may be inserted, removed or replaced between a plate and one of the watch-list."""

    watchlists: tuple[Word, ...] = Field((), max_length=100)
    """Ids of the account's watch-lists, one of which has to have a plate that was seen."""

    @property
    def words(self) -> int:
        """How many cameras, patterns, plates and watch-lists it names."""
        return len(self.cameras) + len(self.plates) + len(self.watch_list) + len(self.watchlists)

    @field_validator("watch_list")
    @classmethod
    def _as_plates_are_spelt(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(map(checked, values)))

    @field_validator("plates")
    @classmethod
    def _that_can_match(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(checked_pattern, values))


class HookSettings(BaseModel):
    """What its owner decides about a hook."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: str = Field(max_length=2_000)
    format: Literal["json", "form", "multipart"] = "json"
    headers: dict[str, str] = Field({}, max_length=20)
    secret: str = Field("", max_length=200, repr=False)
    """Key of the signature; empty for none. `whsec_` and base64, or any text."""
    filter: Filter = Filter()
    enabled: bool = True
    concurrency: int = Field(4, ge=1, le=16)
    """Requests at once."""
    ordered: bool = False
    """Whether each camera's events come in order, for which one that fails holds up those behind it."""
    max_queued: int | None = Field(None, ge=1, le=1_000_000)
    """Events that may wait, the oldest is dropped; None: PLATELANE_WEBHOOK_QUEUE."""
    mail: str = Field("", max_length=300)
    """Who is told when the hook is disabled; empty: PLATELANE_MAIL_TO."""

    @field_validator("target")
    @classmethod
    def _web_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"[\s\x00-\x1f]", value):
            raise ValueError("the target must be an http:// or https:// address")
        _ = parts.port  # raises ValueError where it is no number
        return value

    @field_validator("headers")
    @classmethod
    def _sendable(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not _TOKEN.fullmatch(name) or name.lower() in _OURS:
                raise ValueError(f"{name!r} cannot be set as a header")
            if len(value) > 2_000 or not value.isascii() or not value.isprintable():
                raise ValueError(f"the value of {name} must be printable ASCII")
        return headers

    @field_validator("mail")
    @classmethod
    def _mail_address(cls, value: str) -> str:
        if value and not re.fullmatch(r"[^@\s,]+@[^@\s,]+", value):
            raise ValueError("it must be one mail address, or empty")
        return value

    @field_validator("secret")
    @classmethod
    def _key(cls, secret: str) -> str:
        if secret.startswith(SECRET_PREFIX):
            try:
                base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
            except binascii.Error as error:
                raise ValueError(f"a secret that starts with {SECRET_PREFIX} must continue in base64") from error
        return secret

    @classmethod
    def checked(cls, fields: object) -> Self:
        """Read what came from outside.

        Raises:
            BadRequest: what is wrong with it.
        """
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise BadRequest(validation.first_problem(error)) from error


class Hook(HookSettings):
    """A hook as it is stored, by this version or a later one that knows more of it."""

    model_config = ConfigDict(extra="ignore")

    id: int
    account: str = ""
    """Whose results it gets; empty: everybody's."""
    from_environment: bool = False
    disabled_reason: str = ""
    """Why it was disabled, if not by its owner."""
    generation: int = 0
    """Counts how often it was enabled: each time, what waits is tried at once."""

    @property
    def queueing(self) -> bool:
        """Whether results wait for it: one that broke gets them when it is enabled again, as far as its queue goes."""
        return self.enabled or bool(self.disabled_reason)

    @property
    def belongs_to_token(self) -> bool:
        """Whether somebody other than the operator made it: its requests are guarded against private addresses."""
        return bool(self.account)

    @property
    def wants_image(self) -> bool:
        """Whether pictures have to be kept for it."""
        return self.queueing and self.format == "multipart"

    def key(self, event_id: str) -> str:
        """The same for every attempt to tell the receiver about a picture, so that it can drop repeats."""
        return f"{event_id}.{self.id}"

    def concerns(self, camera_id: str, account: str) -> bool:
        """Whether it gets results of this camera at all."""
        cameras = self.filter.cameras
        return self.account in ("", account) and (not cameras or camera_id in cameras)

    @property
    def public_target(self) -> str:
        """The target without password and query, which may hold secrets."""
        parts = urlsplit(self.target)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

    @property
    def site(self) -> str:
        """Scheme, host and port of the target alone: paths carry the secrets of chat and home-automation receivers."""
        parts = urlsplit(self.target)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], "", "", ""))

    def owned_settings(self) -> dict[str, Any]:
        """The fields of `HookSettings`."""
        return self.model_dump(include=set(HookSettings.model_fields))

    def enabled_again(self) -> Self:
        """The same hook, starting anew."""
        return self.model_copy(update={"enabled": True, "disabled_reason": "", "generation": self.generation + 1})


def of_environment(target: str) -> Hook:
    """A hook of PLATELANE_WEBHOOK_TARGETS; the same in every process.

    Raises:
        BadRequest: the target is no web address.
    """
    number = int.from_bytes(hashlib.sha256(target.encode()).digest()[:4]) % _FIRST_ENVIRONMENT_ID
    try:
        owned = HookSettings.checked({"target": target})
    except BadRequest as error:
        raise BadRequest(f"PLATELANE_WEBHOOK_TARGETS: {error.detail}") from error
    return Hook(**owned.model_dump(), id=_FIRST_ENVIRONMENT_ID + number, from_environment=True)
