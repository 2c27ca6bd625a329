"""Watch-lists: plates to look out for, mirrored in every process within moments of a change."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Annotated, Final, Literal, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, FailFast, Field, field_validator, model_validator
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from platelane import times
from platelane.bus import Bus, subjects, topology
from platelane.bus.mirror import Mirror
from platelane.errors import BadRequest
from platelane.webhooks.wildcards import checked

MOST_LISTS: Final = 100
"""Lists of one account."""
MOST_PLATES: Final = 5_000
"""Plates in one list."""
MOST_PLATES_OF_ALL: Final = 20_000
"""Plates in all lists of an account."""
MOST_BYTES: Final = 4 << 20
"""Bytes of all lists of an account, as JSON."""
DOCUMENT_LIMIT: Final = 1 << 20
"""Bytes of one list in a request."""
_ID_LIMIT: Final = 16
_STRICT: Final = ConfigDict(strict=True, frozen=True)


class Listed(BaseModel):
    """A plate of a watch-list. It is valid from `valid_from` to `valid_to`, both inclusive."""

    model_config = _STRICT

    plate: Annotated[str, Field(min_length=1, max_length=40, description="As on the vehicle.")]
    note: Annotated[str, Field(max_length=500, description="A free text.")] = ""
    valid_from: Annotated[AwareDatetime | None, Field(description="ISO 8601, with a time zone.")] = None
    valid_to: Annotated[AwareDatetime | None, Field(description="ISO 8601, with a time zone.")] = None

    @field_validator("plate")
    @classmethod
    def _checked_plate(cls, value: str) -> str:
        return checked(value)

    @model_validator(mode="after")
    def _checked_period(self) -> Listed:
        if self.valid_from and self.valid_to and self.valid_to < self.valid_from:
            raise ValueError("valid_to is before valid_from")
        return self

    def holds(self, time_us: int) -> bool:
        """Whether it is valid at a time, in microseconds since 1970."""
        return (self.valid_from is None or times.microseconds(self.valid_from) <= time_us) and (
            self.valid_to is None or time_us <= times.microseconds(self.valid_to)
        )


class WatchlistSettings(BaseModel):
    """A watch-list in a request."""

    model_config = _STRICT

    name: Annotated[str, Field(min_length=1, max_length=100, description="A name for display.")]
    plates: Annotated[tuple[Listed, ...], FailFast(), Field(max_length=MOST_PLATES)] = ()
    distance: Annotated[
        Literal[0, 1],
        Field(description="How many characters of a plate may be extra, missing or different."),
    ] = 0

    @field_validator("name")
    @classmethod
    def _readable(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("it is blank")
        return value.strip()


class Watchlist(WatchlistSettings):
    """A stored watch-list."""

    id: str

    def match(self, text: str, time_us: int) -> Listed | None:
        """The listed plate that matches a text seen at a time (microseconds since 1970), preferably exactly."""
        same = next((each for each in self._by_plate.get(text, ()) if each.holds(time_us)), None)
        if same or not self.distance:
            return same
        near = process.extract_iter(text, self._by_plate.keys(), scorer=Levenshtein.distance, score_cutoff=1)
        return next((each for plate, *_ in near for each in self._by_plate[plate] if each.holds(time_us)), None)

    @cached_property
    def _by_plate(self) -> dict[str, list[Listed]]:
        found: dict[str, list[Listed]] = {}
        for each in self.plates:
            found.setdefault(each.plate, []).append(each)
        return found


class Watchlists(BaseModel):
    """All lists of an account, by name."""

    results: tuple[Watchlist, ...]


class Lists(Protocol):
    """Finds watch-lists; `WatchlistStore` does it."""

    def get(self, account: str, list_id: str) -> Watchlist | None: ...


class NoLists:
    """No watch-lists at all."""

    def get(self, _account: str, _list_id: str) -> Watchlist | None:
        return None


class WatchlistStore:
    """The lists of all accounts, stored in NATS and mirrored in memory; each account only has access to its own."""

    def __init__(self, bus: Bus) -> None:
        self._mirror = Mirror(bus, topology.WATCHLISTS, _decoded)

    async def start(self) -> None:
        """Load all lists before the first use. Raises EngineUnavailable if NATS does not answer."""
        await self._mirror.start()

    def all(self, account: str) -> list[Watchlist]:
        """The lists of an account, sorted by name."""
        return sorted((kept.watchlist for kept in self._of_account(account)), key=lambda each: (each.name, each.id))

    def get(self, account: str, list_id: str) -> Watchlist | None:
        """The list of an account with this id."""
        if len(list_id) > _ID_LIMIT:
            return None
        kept = self._mirror.get(_key(account, list_id))
        return kept.watchlist if kept else None

    def matcher(self, account: str) -> Callable[[str, int], list[str]]:
        """A function from a text and a time (microseconds since 1970) to the names of the account's lists that match.

        Use it for one answer only: it does not follow changes.
        """
        lists = self.all(account)
        return lambda text, time_us: list(dict.fromkeys(each.name for each in lists if each.match(text, time_us)))

    async def create(self, account: str, settings: WatchlistSettings) -> Watchlist:
        """Create a list. Raises as `put`."""
        made = Watchlist(**dict(settings), id=secrets.token_hex(8))
        await self.put(account, made)
        return made

    async def put(self, account: str, watchlist: Watchlist) -> None:
        """Store a list.

        Raises:
            BadRequest: the account would exceed its limit of lists, plates or bytes.
            Others: as `Mirror.put`.
        """
        data = watchlist.model_dump_json().encode()
        async with self._mirror.changing():
            others = [kept for kept in self._of_account(account) if kept.watchlist.id != watchlist.id]
            if len(others) >= MOST_LISTS:
                raise BadRequest(f"The limit of {MOST_LISTS} watch-lists is reached; delete one first.")
            if len(watchlist.plates) + sum(len(kept.watchlist.plates) for kept in others) > MOST_PLATES_OF_ALL:
                raise BadRequest(f"The limit of {MOST_PLATES_OF_ALL} plates in all watch-lists is reached.")
            if len(data) + sum(kept.size for kept in others) > MOST_BYTES:
                raise BadRequest(f"The limit of {MOST_BYTES >> 20} MiB for all watch-lists is reached.")
            await self._mirror.put(_key(account, watchlist.id), data)

    async def delete(self, account: str, list_id: str) -> None:
        """Delete a list. Raises as `Mirror.put`."""
        await self._mirror.delete(_key(account, list_id))

    def _of_account(self, account: str) -> Iterator[_Kept]:
        prefix = _key(account, "")
        return (kept for key, kept in self._mirror.items() if key.startswith(prefix))


def missing(lists: Lists, account: str, ids: Iterable[str]) -> str | None:
    """The first of these ids for which the account has no list; None if there are lists for all."""
    return next((each for each in ids if lists.get(account, each) is None), None)


class _Kept:
    """A list and its size in the bucket, in bytes."""

    __slots__ = ("size", "watchlist")

    def __init__(self, watchlist: Watchlist, size: int) -> None:
        self.watchlist = watchlist
        self.size = size


def _decoded(data: bytes) -> _Kept:
    return _Kept(Watchlist.model_validate_json(data), len(data))


def _key(account: str, list_id: str) -> str:
    """Accounts are hexadecimal; empty on-premise."""
    return f"{subjects.key_token(account or 'everybody')}.{subjects.key_token(list_id) if list_id else ''}"
