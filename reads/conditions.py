"""Translates the filter of a query into SQL conditions."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    SQLColumnExpression,
    and_,
    column,
    exists,
    false,
    func,
    select,
    table,
    text,
    true,
)
from sqlalchemy.orm import aliased

from platelane.errors import BadRequest
from platelane.pb.v1 import reads_pb2
from platelane.webhooks.wildcards import folded, folded_pattern
from reads.look_alikes import AFTER_ALL, LEAST, look_of, near, shared
from reads.models import Account, Camera, Plate, Read
from reads.watched import of_watched

FEW: Final = 2_000
"""The most plates that are listed in a query by id; with more, the database compares the text of each read."""
BY_PLATE: Final = 500
"""The most plates whose reads are looked up by plate; with more, the newest are found faster among all reads."""
MOST_CANDIDATES: Final = 20_000
"""The most plates that are compared for near matches."""
_TRIGRAM: Final = 3


class Conditions(NamedTuple):
    """Conditions on `Read`."""

    owner: list[ColumnElement[bool]]
    """That it belongs to the account; empty if the other conditions imply that."""
    others: list[ColumnElement[bool]]


def conditions(connection: Connection, wanted: reads_pb2.ReadFilter) -> list[ColumnElement[bool]]:
    """The conditions on `Read`. Some are found by further queries to the database.

    Raises:
        BadRequest: the plate cannot be searched for.
    """
    owner, others = divided(connection, wanted)
    return owner + others


def divided(connection: Connection, wanted: reads_pb2.ReadFilter, *, every: bool = False) -> Conditions:
    """As `conditions`, with that on the account separate. `every`: the query visits all matching reads, not a page.

    Raises:
        BadRequest: the plate cannot be searched for.
    """
    owners = owners_of(connection, wanted.account)
    if not owners:
        return Conditions([], [false()])
    found: list[ColumnElement[bool]] = []
    plates: list[int] | None = None
    if wanted.plate:
        condition, plates = _of_plate(connection, wanted, owners, every)
        found.append(condition)
    if wanted.watched:
        condition, watched = of_watched(connection, wanted.watched, owners)
        found.append(condition)
        plates = watched if plates is None else plates
    # a few plates imply the account; with a condition on it, SQLite would search all of its reads by time
    owner = [Read.account_id == owners[0]] if len(owners) == 1 and (plates is None or len(plates) > BY_PLATE) else []
    if wanted.HasField("camera_id"):
        cameras = select(Camera.id).where(Camera.account_id.in_(owners), Camera.name == wanted.camera_id)
        found.append(_one_of(Read.camera_id, list(connection.execute(cameras).scalars())))
    found += [
        getattr(Read, name) == value for name in ("region", "make", "color", "type") if (value := getattr(wanted, name))
    ]
    if wanted.HasField("score_min"):
        found.append(Read.score >= wanted.score_min)
    if wanted.HasField("after_us"):
        found.append(Read.time_us >= wanted.after_us)
    if wanted.HasField("before_us"):
        found.append(Read.time_us < wanted.before_us)
    if wanted.HasField("first_seen"):
        found.append(Read.first_seen == wanted.first_seen)
    if wanted.reviewed:
        found.append(Read.correct.is_not(None))
    return Conditions(owner, found)


def owners_of(connection: Connection, account: str) -> list[int]:
    """The number of an account; without a name those of all accounts (on-premise there is one)."""
    query = select(Account.id)
    return list(connection.execute(query.where(Account.name == account) if account else query).scalars())


def _of_plate(
    connection: Connection, wanted: reads_pb2.ReadFilter, owners: list[int], every: bool
) -> tuple[ColumnElement[bool], list[int] | None]:
    """The condition on `Read`, and the ids of the matching plates; None if there are too many to list."""
    pattern = folded_pattern(wanted.plate)
    if wanted.match == reads_pb2.PLATE_MATCH_NEAR:
        found = _near(connection, folded(wanted.plate), owners)
    elif wanted.match == reads_pb2.PLATE_MATCH_EXACT or not set("*?") & set(pattern):
        same = select(Plate.id).where(Plate.account_id.in_(owners), Plate.text == folded(wanted.plate))
        found = list(connection.execute(same).scalars())
    elif not pattern.strip("*"):
        return true(), None
    else:
        found = list(connection.execute(_fitting(connection, pattern, owners).limit(FEW + 1)).scalars())
    if len(found) <= FEW:
        return _one_of(Read.plate_id, found), found
    if every:  # compares each plate once, instead of once per read
        return Read.plate_id.in_(select(Plate.id).where(_like(connection, Plate.text, pattern))), None
    own = aliased(Plate)  # the query may use `Plate` itself as well
    return exists().where(own.id == Read.plate_id, _like(connection, own.text, pattern)), None


def _fitting(connection: Connection, pattern: str, owners: list[int]) -> Select[tuple[int]]:
    """The plates that match a pattern, found by their beginning, or by trigrams if that helps."""
    fitting = select(Plate.id).where(_like(connection, Plate.text, pattern))
    query = fitting.where(Plate.account_id.in_(owners))
    beginning = re.split(r"[*?]", pattern, maxsplit=1)[0]
    if beginning:
        return query.where(Plate.text >= beginning, Plate.text < beginning[:-1] + chr(ord(beginning[-1]) + 1))
    parts = [part for part in re.split(r"[*?]+", pattern) if len(part) >= _TRIGRAM]
    if parts and connection.dialect.name == "sqlite":
        trigrams = table("plate_trigrams", column("rowid"))
        phrase = " AND ".join(f'"{part}"' for part in parts)
        matching = select(trigrams.c.rowid).where(text("plate_trigrams MATCH :phrase").bindparams(phrase=phrase))
        # the sum keeps SQLite from using the index on the account, which has many more plates than match
        return fitting.where(Plate.id.in_(matching), (Plate.account_id + 0).in_(owners))
    return query  # PostgreSQL extracts trigrams from the pattern itself


def _like(connection: Connection, plate: SQLColumnExpression[str], pattern: str) -> ColumnElement[bool]:
    if connection.dialect.name == "sqlite":
        return plate.bool_op("GLOB")(pattern)
    return plate.like(pattern.replace("*", "%").replace("?", "_"))


def _near(connection: Connection, plate: str, owners: list[int]) -> list[int]:
    """The ids of plates near this one: plates that share enough of its look are compared.

    Raises:
        BadRequest: the plate is too short.
    """
    if len(plate) < LEAST:
        raise BadRequest(f"plate needs {LEAST} letters or digits for near matches.")
    wanted = look_of(plate)
    same = shared(wanted)
    long = func.length(Plate.look).between(len(wanted) - 1, len(wanted) + 1)
    query = select(Plate.id, Plate.look).where(Plate.account_id.in_(owners), long)
    found = {
        row.id
        for part in (_begins(Plate.look, same.beginning), _begins(Plate.kool, same.end), Plate.ends == same.ends)
        for row in connection.execute(query.where(part).limit(MOST_CANDIDATES))
        if near(row.look, wanted)
    }
    return sorted(found)[:FEW]


def _begins(what: SQLColumnExpression[str], beginning: str) -> ColumnElement[bool]:
    return and_(what >= beginning, what < beginning + AFTER_ALL)


def _one_of(what: SQLColumnExpression[int], values: list[int]) -> ColumnElement[bool]:
    if len(values) == 1:
        return what == values[0]
    return what.in_(values) if values else false()
