"""A hook: where results are sent, in which format, and which of them. It is validated on input, and immutable."""

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
from platelane.webhooks.wildcards import checked, checked_pattern, refuse_other_syntax

SECRET_PREFIX: Final = "whsec_"
MASK: Final = "***"
_LONGEST_NAME: Final = 100
_LONGEST_VALUE: Final = 2_000
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS: Final = frozenset({"host", "content-length", "content-type", "transfer-encoding", "connection"})
_FIRST_ENVIRONMENT_ID: Final = 1 << 30
"""Ids of hooks from the environment start here, others count up from 1; all fit into 32 bits."""

Word = Annotated[str, Field(min_length=1, max_length=200)]


class Filter(BaseModel):
    """Which results a hook gets: those that fulfil all given conditions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    with_plate: bool = False
    cameras: tuple[Word, ...] = Field((), max_length=1_000)
    plates: tuple[Word, ...] = Field((), max_length=1_000)
    """Patterns such as `ab*` and `??123*`; a plate has to match one of them."""
    watch_list: tuple[Word, ...] = Field((), max_length=20_000)
    """Plates; one of them has to be seen."""
    distance: int = Field(0, ge=0, le=3)
    """Characters that may be inserted, removed or replaced between a plate and one of the watch-list."""

    watchlists: tuple[Word, ...] = Field((), max_length=100)
    """Ids of the account's watch-lists; one of them has to contain a plate that was seen."""

    @property
    def words(self) -> int:
        """The number of cameras, patterns, plates and watch-lists in it."""
        return len(self.cameras) + len(self.plates) + len(self.watch_list) + len(self.watchlists)

    @field_validator("watch_list")
    @classmethod
    def _checked_plates(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(map(checked, values)))

    @field_validator("plates")
    @classmethod
    def _checked_patterns(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(checked_pattern, values))


class HookSettings(BaseModel):
    """The settings of a hook that its owner chooses."""

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
    """Whether each camera's events are sent in order; a failing event then delays those behind it."""
    max_queued: int | None = Field(None, ge=1, le=1_000_000)
    """Events that may wait; beyond that, the oldest is dropped. None: PLATELANE_WEBHOOK_QUEUE."""
    mail: str = Field("", max_length=300)
    """Whom to notify when the hook is disabled; empty: PLATELANE_MAIL_TO."""

    @field_validator("target")
    @classmethod
    def _web_address(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname)
            _ = parts.port
        except ValueError:  # brackets that do not match, or a port that is no number
            usable = False
        if not usable or re.search(r"[\s\x00-\x1f]", value):
            raise ValueError("the target must be an http:// or https:// address")
        return value

    @field_validator("headers")
    @classmethod
    def _sendable(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if len(name) > _LONGEST_NAME or not _TOKEN.fullmatch(name) or name.lower() in _OURS:
                raise ValueError(f"{name[:_LONGEST_NAME]!r} cannot be set as a header")
            if len(value) > _LONGEST_VALUE:
                raise ValueError(f"the value of {name} must have at most {_LONGEST_VALUE} characters")
            if not value.isascii() or not value.isprintable():
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
        """Validate input from outside.

        Raises:
            BadRequest: the first problem.
        """
        try:
            settings = cls.model_validate(fields)
        except ValidationError as error:
            raise BadRequest(validation.first_problem(error)) from error
        settings._check_new()
        return settings

    def _check_new(self) -> None:
        """What stored hooks need not fulfil: earlier versions have accepted it. Raises BadRequest."""
        parts = urlsplit(self.target)
        if parts.port == 0 or not (parts.hostname or "").strip("."):
            raise BadRequest("target: the target must be an http:// or https:// address.")
        if len({name.lower() for name in self.headers}) < len(self.headers):
            raise BadRequest("headers: a name occurs twice, in upper and lower case.")
        for pattern in self.filter.plates:
            try:
                refuse_other_syntax(pattern)
            except ValueError as error:
                raise BadRequest(f"filter.plates: {error}.") from error


class Hook(HookSettings):
    """A hook as it is stored, possibly by a later version with more fields."""

    model_config = ConfigDict(extra="ignore")

    id: int
    account: str = ""
    """The account whose results it gets; empty: all accounts."""
    from_environment: bool = False
    disabled_reason: str = ""
    """Why it was disabled, if not by its owner."""
    generation: int = 0
    """How often it was enabled: each time, queued events are tried at once."""

    @property
    def queueing(self) -> bool:
        """Whether results are queued for it, also while it is disabled because of failures."""
        return self.enabled or bool(self.disabled_reason)

    @property
    def belongs_to_token(self) -> bool:
        """Whether a token made it, and not the operator: its requests may not go to private addresses."""
        return bool(self.account)

    @property
    def wants_image(self) -> bool:
        """Whether pictures have to be kept for it."""
        return self.queueing and self.format == "multipart"

    def key(self, event_id: str) -> str:
        """The key of an event, the same for all attempts to deliver it, so that the receiver can drop duplicates."""
        return f"{event_id}.{self.id}"

    def concerns(self, camera_id: str, account: str) -> bool:
        """Whether it may get results of this camera and account."""
        cameras = self.filter.cameras
        return self.account in ("", account) and (not cameras or camera_id in cameras)

    @property
    def public_target(self) -> str:
        """The target without password and query, which may contain secrets."""
        parts = urlsplit(self.target)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

    @property
    def site(self) -> str:
        """Only scheme, host and port of the target: the paths of chat and home-automation receivers contain secrets."""
        parts = urlsplit(self.target)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], "", "", ""))

    def owned_settings(self) -> dict[str, Any]:
        """The fields of `HookSettings`."""
        return self.model_dump(include=set(HookSettings.model_fields))

    def enabled_again(self) -> Self:
        """The hook enabled, in a new generation."""
        return self.model_copy(update={"enabled": True, "disabled_reason": "", "generation": self.generation + 1})


def of_environment(target: str) -> Hook:
    """The hook for a target in PLATELANE_WEBHOOK_TARGETS; it is the same in every process.

    Raises:
        BadRequest: the target is not a web address.
    """
    number = int.from_bytes(hashlib.sha256(target.encode()).digest()[:4]) % _FIRST_ENVIRONMENT_ID
    try:
        owned = HookSettings.checked({"target": target})
    except BadRequest as error:
        raise BadRequest(f"PLATELANE_WEBHOOK_TARGETS: {error.detail}") from error
    return Hook(**owned.model_dump(), id=_FIRST_ENVIRONMENT_ID + number, from_environment=True)
