"""The tables of the index, the same in SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Computed, ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

PLACES = 1_000
"""The most reads of one result."""

BigInt = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite's integers have 64 bits, but only its INTEGER keys are row numbers."""
PlateText = String().with_variant(String(collation="C"), "postgresql")
"""Compared byte by byte, so that an index finds beginnings."""
ENDS = "substr(look, 1, 2) || substr(kool, 1, 2)"


class Base(DeclarativeBase):
    """Base of all tables."""

    type_annotation_map = {dict[str, Any]: JSON(none_as_null=True)}  # noqa: RUF012


class Position(Base):
    """How far a stream has been read. `created` is when it was made, which identifies a recreated stream."""

    __tablename__ = "positions"

    stream: Mapped[str] = mapped_column(primary_key=True)
    created: Mapped[str]
    sequence: Mapped[int] = mapped_column(BigInt)


class Account(Base):
    __tablename__ = "accounts"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)


class Camera(Base):
    __tablename__ = "cameras"
    __table_args__ = (UniqueConstraint("account_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey(Account.id))
    name: Mapped[str]
    last_us: Mapped[int] = mapped_column(BigInt)
    """Time of its last photograph, with or without plates."""


class Plate(Base):
    """A text that was read, once per account. `look`: see `reads.look_alikes.look_of`; `kool`: the look reversed."""

    __tablename__ = "plates"
    __table_args__ = (
        UniqueConstraint("account_id", "text"),
        Index("plates_by_look", "account_id", "look"),
        Index("plates_by_kool", "account_id", "kool"),
        Index("plates_by_ends", "account_id", "ends", "text"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey(Account.id))
    text: Mapped[str] = mapped_column(PlateText)
    look: Mapped[str] = mapped_column(PlateText)
    kool: Mapped[str] = mapped_column(PlateText)
    ends: Mapped[str] = mapped_column(PlateText, Computed(ENDS))
    """The first two characters of its look, and the last two reversed."""


class Read(Base):
    """A plate of a photograph. Corrected values replace what was read, which is then kept in `original`."""

    __tablename__ = "reads"
    __table_args__ = (
        Index("reads_by_time", "account_id", "time_us", "id"),
        Index("reads_by_camera", "camera_id", "time_us", "id"),
        Index("reads_by_plate", "plate_id", "time_us", "id"),
        *(
            Index(f"reads_by_{name}", "account_id", name, "time_us", "id")
            for name in ("region", "make", "color", "type")
        ),
        Index("reads_by_first_seen", "account_id", "first_seen", "time_us", "id"),
    )

    id: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    """Its result's number in the stream times `PLACES`, plus its index in the result."""
    name: Mapped[str] = mapped_column(unique=True)
    """Its id in the REST API."""
    account_id: Mapped[int] = mapped_column(ForeignKey(Account.id))
    camera_id: Mapped[int] = mapped_column(ForeignKey(Camera.id))
    plate_id: Mapped[int] = mapped_column(ForeignKey(Plate.id))
    time_us: Mapped[int] = mapped_column(BigInt)
    first_seen: Mapped[bool]
    """Whether there was no earlier read of its plate when it was indexed."""
    score: Mapped[float]
    dscore: Mapped[float]
    region: Mapped[str]
    region_score: Mapped[float]
    type: Mapped[str]
    make: Mapped[str]
    model: Mapped[str]
    color: Mapped[str]
    orientation: Mapped[str]
    direction: Mapped[int | None]
    x1: Mapped[int]
    y1: Mapped[int]
    x2: Mapped[int]
    y2: Mapped[int]
    """The plate's box; in PostgreSQL, xmin and xmax are names of system columns."""
    has_crop: Mapped[bool]
    has_vehicle: Mapped[bool]
    correct: Mapped[bool | None]
    """Whether the plate was read correctly, according to a person; None if it has not been reviewed."""
    correction: Mapped[dict[str, Any] | None]
    """The correction as it was sent."""
    original: Mapped[dict[str, Any] | None]
    """The values as read, for those fields that were corrected."""


class Tally(Base):
    """How many reads of a day (UTC, days since 1970) have a value: `counted` is the field, `key` the value."""

    __tablename__ = "tallies"

    account_id: Mapped[int] = mapped_column(ForeignKey(Account.id), primary_key=True)
    counted: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[int] = mapped_column(BigInt, primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInt)


class Correction(Base):
    """A person's correction of a read; in a separate table, since it may arrive before the read does."""

    __tablename__ = "corrections"

    name: Mapped[str] = mapped_column(primary_key=True)
    said: Mapped[dict[str, Any]]
