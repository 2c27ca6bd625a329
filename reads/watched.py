"""Finds reads of the plates on watch-lists."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Integer,
    MetaData,
    Table,
    and_,
    exists,
    select,
    text,
)
from sqlalchemy.schema import CreateTable

from platelane.errors import BadRequest
from platelane.pb.v1 import reads_pb2
from reads.look_alikes import AFTER_ALL, look_of, near, shared
from reads.models import Plate, PlateText, Read

MOST_SEEN: Final = 50_000
"""The most plates of the index that may be on the lists."""
FEW: Final = 2_000
"""The most plates whose reads are looked up by plate."""
_TOGETHER: Final = 1_000
"""Plates that the database looks up in one query."""
_EVER: Final = 1 << 62
_ALWAYS: Final = (-_EVER, _EVER)
_Span = tuple[int, int]
"""Microseconds since 1970, both ends inclusive."""

_WATCHED: Final = Table(
    "watched",
    MetaData(),
    Column("plate_id", BigInteger, primary_key=True),
    Column("from_us", BigInteger, primary_key=True),
    Column("to_us", BigInteger, nullable=False),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DROP",
)
"""Which plates are watched from when to when, for the duration of a query."""
_LISTED: Final = Table(
    "listed",
    MetaData(),
    Column("text", PlateText, primary_key=True),
    *(Column(name, PlateText, nullable=False) for name in ("look", "look_end", "kool", "kool_end", "ends")),
    Column("length", Integer, nullable=False),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DROP",
)
"""The texts of one list, with the parts of their look by which near plates are found."""


_SHARES: Final = tuple(
    text(
        "SELECT plates.id, plates.text, listed.text AS listed"
        " FROM listed CROSS JOIN plates"  # in this order, which SQLite keeps
        f" WHERE plates.account_id = :owner AND {shares}"
        " AND length(plates.text) BETWEEN listed.length - 1 AND listed.length + 1"
    )
    for shares in (
        "plates.look >= listed.look AND plates.look < listed.look_end",
        "plates.kool >= listed.kool AND plates.kool < listed.kool_end",
        "plates.ends = listed.ends",
    )
)


def of_watched(
    connection: Connection, lists: Iterable[reads_pb2.Watched], owners: Sequence[int]
) -> tuple[ColumnElement[bool], list[int]]:
    """The condition on `Read` that its plate was on one of these lists at that time; and the ids of the plates.

    Raises:
        BadRequest: too many plates of the index are on them.
    """
    seen: dict[int, list[_Span]] = defaultdict(list)
    for watched in lists:
        listed: dict[str, list[_Span]] = defaultdict(list)
        for each in watched.plates:
            start = each.from_us if each.HasField("from_us") else _ALWAYS[0]
            listed[each.text].append((start, each.to_us if each.HasField("to_us") else _ALWAYS[1]))
        for number, plate in (_near if watched.distance else _same)(connection, list(listed), owners):
            seen[number] += listed[plate]
    spans = {number: list(merged(each)) for number, each in seen.items()}
    if sum(map(len, spans.values())) > MOST_SEEN:
        raise BadRequest(f"More than {MOST_SEEN} reads are of plates on the list.")
    few = Read.plate_id.in_(list(spans))
    if len(spans) <= FEW and all(each == [_ALWAYS] for each in spans.values()):
        return few, list(spans)
    rows = [
        {"plate_id": number, "from_us": start, "to_us": end} for number, each in spans.items() for start, end in each
    ]
    _fill(connection, _WATCHED, rows)
    then = exists().where(
        _WATCHED.c.plate_id == Read.plate_id, _WATCHED.c.from_us <= Read.time_us, _WATCHED.c.to_us >= Read.time_us
    )
    return (and_(few, then) if len(spans) <= FEW else then), list(spans)


def merged(spans: Iterable[_Span]) -> Iterator[_Span]:
    """The spans in order, with overlapping ones merged."""
    found: list[_Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return iter(found)


def _listed(connection: Connection, texts: Iterable[str]) -> None:
    """Fill the temporary table `listed` with the texts of a list."""
    rows = []
    for plate in texts:
        beginning, end, ends = shared(look_of(plate))
        rows.append(
            {
                **{"text": plate, "length": len(plate), "ends": ends},
                **{"look": beginning, "look_end": beginning + AFTER_ALL, "kool": end, "kool_end": end + AFTER_ALL},
            }
        )
    _fill(connection, _LISTED, rows)


def _same(connection: Connection, texts: list[str], owners: Sequence[int]) -> Iterator[tuple[int, str]]:
    """The ids of plates that are listed, with the listed text."""
    query = select(Plate.id, Plate.text).where(Plate.account_id.in_(owners))
    for start in range(0, len(texts), _TOGETHER):
        for row in connection.execute(query.where(Plate.text.in_(texts[start : start + _TOGETHER]))):
            yield row.id, row.text


def _near(connection: Connection, texts: list[str], owners: Sequence[int]) -> Iterator[tuple[int, str]]:
    """As `_same`, including plates that differ in one character; some occur more than once."""
    _listed(connection, texts)
    for owner in owners:
        for query in _SHARES:
            for rows in connection.execute(query, {"owner": owner}).tuples().partitions(_TOGETHER):
                yield from ((number, listed) for number, plate, listed in rows if near(plate, listed))


def _fill(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Fill a temporary table; in SQLite it outlives the query, and the next query empties it."""
    connection.execute(CreateTable(table, if_not_exists=True))
    connection.execute(table.delete())
    if connection.dialect.name == "postgresql":
        names = [column.name for column in table.c]
        raw: Any = connection.connection.cursor()
        with raw.copy(f"COPY {table.name} ({', '.join(names)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row([row[name] for name in names])
        connection.execute(text(f"ANALYZE {table.name}"))
    elif rows:
        connection.execute(table.insert(), rows)
