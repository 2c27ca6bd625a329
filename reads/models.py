"""The tables of the index, the same in SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Computed, ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

PLACES = 1_000
"""Reads of one result that have an id of their own."""

BigInt = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite's integers have 64 bits, but only its INTEGER keys are row numbers."""
PlateText = String().with_variant(String(collation="C"), "postgresql")
"""Compared byte by byte, so that an index finds beginnings."""
ENDS = "substr(look, 1, 2) || substr(kool, 1, 2)"


class Base(DeclarativeBase):
    """Of all tables."""

    type_annotation_map = {dict[str, Any]: JSON(none_as_null=True)}  # noqa: RUF012


class Position(Base):
    """How far a stream has been read. `created` is when it was made, which tells a new one of the same name."""

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
    """When its last photograph was taken, with or without plates."""


class Plate(Base):
    """A text that was read, once for each account. `look`: with look-alikes as one character; `kool`: that reversed."""

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
    """The two first and the two last characters of its look, the last one first."""


class Read(Base):
    """A plate of a photograph. What a person has put right is in place of what was read; `original` has that then."""

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
    """Its result's number in the stream times `PLACES`, plus its place there."""
    name: Mapped[str] = mapped_column(unique=True)
    """Its id in the REST API."""
    account_id: Mapped[int] = mapped_column(ForeignKey(Account.id))
    camera_id: Mapped[int] = mapped_column(ForeignKey(Camera.id))
    plate_id: Mapped[int] = mapped_column(ForeignKey(Plate.id))
    time_us: Mapped[int] = mapped_column(BigInt)
    first_seen: Mapped[bool]
    """Whether no read of its plate was kept when it came."""
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
    """The plate's box; PostgreSQL has columns of its own called xmin and xmax."""
    has_crop: Mapped[bool]
    has_vehicle: Mapped[bool]
    correct: Mapped[bool | None]
    """Whether a person found the plate read right; None where nobody has looked."""
    correction: Mapped[dict[str, Any] | None]
    """What that person said."""
    original: Mapped[dict[str, Any] | None]
    """What was read, as far as that was put right."""


class Tally(Base):
    """How many reads of a day (UTC, days since 1970) have a value: `counted` says what of, `key` which."""

    __tablename__ = "tallies"

    account_id: Mapped[int] = mapped_column(ForeignKey(Account.id), primary_key=True)
    counted: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[int] = mapped_column(BigInt, primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInt)


class Correction(Base):
    """What a person said about a read; apart from it, since it may be known before the read is."""

    __tablename__ = "corrections"

    name: Mapped[str] = mapped_column(primary_key=True)
    said: Mapped[dict[str, Any]]
