"""People's corrections of reads, stored in NATS for as long as reads, where the index picks them up."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from gateway.results_query import History
from platelane.bus import Bus, questions, subjects, topology
from platelane.errors import BadRequest, EngineUnavailable, NotFound
from platelane.pb.v1 import reads_pb2
from platelane.read_id import ReadId
from platelane.regions import named, table
from platelane.webhooks.wildcards import folded, is_pattern

LONGEST_PLATE: Final = 16
"""Most letters and digits of a plate, which is what the reader can learn."""
MOST_CORRECTIONS: Final = 50_000
"""Limit per account, equal to that of a folder to learn from; the bucket has room for more."""
_COUNTED_EVERY: Final = 1_000
"""Corrections that an account may store before they are counted again, because other gateways store some too."""
_PATIENCE: Final = 3.0
_DELETED: Final = {"KV-Operation": "DEL"}


def _printable(word: str) -> str:
    if not word.isprintable():
        raise ValueError("characters must be printable")
    return word


Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60), AfterValidator(_printable)]


class Correction(BaseModel):
    """A person's correction of a read; omitted fields have not been reviewed."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    plate: Annotated[str | None, Field(max_length=40, description="What the plate says.")] = None
    region: Annotated[str | None, Field(max_length=40, description="Code of its region, as in `/v1/regions/`.")] = None
    make: Word | None = None
    model: Word | None = None
    color: Word | None = None
    accepted: Annotated[
        Literal[True] | None, Field(description="The read has been reviewed: omitted fields are right.")
    ] = None

    @field_validator("plate")
    @classmethod
    def _readable(cls, plate: str | None) -> str | None:
        if plate is None:
            return None
        if is_pattern(plate):
            raise ValueError(f"{plate!r} has illegible characters: leave the plate out")
        text = folded(plate)
        if not 1 <= len(text) <= LONGEST_PLATE:
            raise ValueError(f"a plate has 1 to {LONGEST_PLATE} letters and digits")
        return text

    @field_validator("region")
    @classmethod
    def _known(cls, region: str | None) -> str | None:
        if region is None:
            return None
        code, meant = region.strip().lower(), named(region)
        if code in table():
            return code
        if len(meant) != 1:
            raise ValueError("no region has this code")
        return meant[0].code

    @model_validator(mode="after")
    def _not_empty(self) -> Correction:
        if not self.model_dump(exclude_none=True):
            raise ValueError("a correction names the plate, region, make, model or color, or says accepted")
        return self


class Corrections:
    """The corrections of all reads, for the owners of their results (`owner` as in `Account.owner`).

    Every method raises NotFound if there is no such read, and EngineUnavailable.
    """

    def __init__(self, bus: Bus, history: History) -> None:
        self._bus = bus
        self._history = history
        self._left: dict[str, int] = {}
        """By account: how many more it may store before they are counted again."""
        self._kept = bus.stream(topology.KV_CORRECTIONS)

    async def put(self, read: ReadId, correction: Correction, owner: str) -> None:
        """Store a correction, replacing an earlier one.

        Raises:
            BadRequest: the account has as many as it may have.
            Overloaded: there is no room for more.
        """
        await self._check(read, owner)
        await self._check_number(owner)
        await self._kept.put(subjects.correction(str(read)), correction.model_dump_json(exclude_none=True).encode())

    async def delete(self, read: ReadId, owner: str) -> None:
        """Delete a correction. Raises NotFound if there is none."""
        await self._check(read, owner)
        found = await self._kept.get(subjects.correction(str(read)))
        if found is None or not found.data:
            raise NotFound("This read has not been corrected.")
        await self._kept.put(subjects.correction(str(read)), b"", headers=_DELETED)

    async def _check(self, read: ReadId, owner: str) -> None:
        result = await self._history.of_job(read.job)
        sightings = result.recognition.sightings if result and owner in ("", result.account) else ()
        if read.index >= len(sightings) or not folded(sightings[read.index].plate.text):
            raise NotFound("There is no such read, or it is no longer stored.")

    async def _check_number(self, owner: str) -> None:
        if self._left.get(owner, 0) <= 0:
            left = min(MOST_CORRECTIONS - await self._number(owner), _COUNTED_EVERY)
            if left <= 0:
                raise BadRequest(f"The limit of {MOST_CORRECTIONS} corrections is reached; delete some first.")
            self._left[owner] = left
        self._left[owner] -= 1

    async def _number(self, owner: str) -> int:
        """How many are stored; 0 if the index, which counts them, is away."""
        wanted = reads_pb2.ReadFilter(account=owner)
        question = reads_pb2.ReadsRequest(filter=wanted, count_corrections=reads_pb2.CountCorrections())
        try:
            return int((await questions.ask(self._bus, question, _PATIENCE))["corrections"])
        except (BadRequest, EngineUnavailable):  # an older index does not support the question
            return 0
