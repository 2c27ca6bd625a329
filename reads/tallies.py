"""Counts of reads by day and value, updated as reads are added and removed, so that counting needs no full scan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    String,
    TextClause,
    case,
    cast,
    delete,
    func,
    literal,
    literal_column,
    select,
    text,
    true,
    union_all,
)
from sqlalchemy.dialects import postgresql, sqlite

from platelane.pb.v1 import reads_pb2
from reads.models import Read, Tally

HOUR_US: Final = 3_600_000_000
DAY_US: Final = 24 * HOUR_US


class Counted(NamedTuple):
    """A field by which reads are counted: its value as text, and how that is shown."""

    key: ColumnElement[str]
    shown: Callable[[str], str] = str
    in_order: bool = False
    """Sorted by value rather than by count."""


def _text(value: Any) -> ColumnElement[str]:
    return cast(value, String)


def _whole(value: Any) -> ColumnElement[int]:
    return cast(value, BigInteger)


def _hour(value: str) -> str:
    return datetime.fromtimestamp(int(value) * HOUR_US // 1_000_000, UTC).strftime("%Y-%m-%dT%H:00:00Z")


def _day(value: str) -> str:
    return datetime.fromtimestamp(int(value) * DAY_US // 1_000_000, UTC).strftime("%Y-%m-%d")


DAY: Final = _whole(Read.time_us // DAY_US)
COUNTED: Final[dict[str, Counted]] = {
    "hour": Counted(_text(_whole(Read.time_us // HOUR_US)), _hour, in_order=True),
    "day": Counted(_text(DAY), _day, in_order=True),
    "camera": Counted(_text(Read.camera_id)),
    "region": Counted(_text(Read.region)),
    "make": Counted(_text(Read.make)),
    "color": Counted(_text(Read.color)),
    "score": Counted(
        _text(case(*((Read.score < step / 10, step - 1) for step in range(1, 10)), else_=9)),
        lambda tenth: f"{int(tenth) / 10}",
        in_order=True,
    ),
    "new": Counted(
        _text(case((Read.first_seen.is_(True), 1), else_=0)), lambda first: "new" if int(first) else "returning"
    ),
}
"""What reads can be counted by."""


@contextmanager
def following(connection: Connection, first: int, last: int) -> Iterator[None]:
    """Lets the tallies follow what the block does to reads with ids from `first` to `last`."""
    _change(connection, first, last, -1)
    yield
    _change(connection, first, last, 1)


def recount(connection: Connection) -> None:
    """Compute the tallies from all reads."""
    connection.execute(delete(Tally))
    _change(connection, 0, (1 << 63) - 1, 1)


def repaired(connection: Connection) -> int:
    """How many reads there are. Tallies that disagree, because an older version did not update them, are recomputed."""
    number = connection.execute(select(func.count()).select_from(Read)).scalar_one()
    tallied = select(func.sum(Tally.number)).where(Tally.counted == "day")
    if int(connection.execute(tallied).scalar_one() or 0) != number:
        recount(connection)
    return number


def remove_empty(connection: Connection) -> None:
    """Remove tallies that count nothing any more."""
    connection.execute(delete(Tally).where(Tally.number == 0))


def counts(
    connection: Connection,
    by: str,
    wanted: reads_pb2.ReadFilter,
    conditions: Sequence[ColumnElement[bool]],
    owners: Sequence[int],
) -> Counter[str]:
    """How many reads have each value of the field `by`. `conditions` must be those of the filter `wanted`."""
    days = _whole_days(wanted)
    if days is None:
        return _counted(connection, by, conditions)
    first, end = days
    kept = select(Tally.key, func.sum(Tally.number)).where(
        Tally.account_id.in_(owners), Tally.counted == by, Tally.number > 0
    )
    found: Counter[str] = Counter()
    if first is not None:
        kept = kept.where(Tally.day >= first)
        if wanted.after_us < first * DAY_US:
            found += _counted(connection, by, [*conditions, Read.time_us < first * DAY_US])
    if end is not None:
        kept = kept.where(Tally.day < end)
        if wanted.before_us > end * DAY_US:
            found += _counted(connection, by, [*conditions, Read.time_us >= end * DAY_US])
    for key, number in connection.execute(kept.group_by(Tally.key)):
        found[key] += int(number)
    return found


def _whole_days(wanted: reads_pb2.ReadFilter) -> tuple[int | None, int | None] | None:
    """The first whole day of the filter and the day after the last; None if tallies cannot answer it."""
    rest = reads_pb2.ReadFilter()
    rest.CopyFrom(wanted)
    for name in ("account", "after_us", "before_us"):
        rest.ClearField(name)
    if rest != reads_pb2.ReadFilter():
        return None
    first = -(-wanted.after_us // DAY_US) if wanted.HasField("after_us") else None
    end = wanted.before_us // DAY_US if wanted.HasField("before_us") else None
    return None if first is not None and end is not None and first >= end else (first, end)


def _counted(connection: Connection, by: str, conditions: Sequence[ColumnElement[bool]]) -> Counter[str]:
    key = COUNTED[by].key.label("key")
    rows = connection.execute(select(key, func.count()).where(*conditions).group_by(key))
    return Counter(dict(rows.tuples().all()))


def _change(connection: Connection, first: int, last: int, sign: int) -> None:
    """Add to the tallies the number of reads with these ids, times `sign`."""
    values = {"first": first, "last": last, "sign": sign}
    connection.execute(_adding(connection.dialect.name), values)


@cache
def _adding(dialect: str) -> TextClause:
    """The statement of `_change`, cached as text: building it takes far longer than storing a read."""
    parts: list[Select[Any]] = [
        select(
            Read.account_id,
            literal(name).label("counted"),
            DAY.label("day"),
            counted.key.label("key"),
            (literal_column(":sign") * func.count()).label("number"),
        )
        .where(Read.id.between(literal_column(":first"), literal_column(":last")))
        .group_by(Read.account_id, DAY, counted.key)
        for name, counted in COUNTED.items()
    ]
    everything = union_all(*parts).subquery()
    columns = list(everything.c)
    kind = postgresql if dialect == "postgresql" else sqlite
    new = kind.insert(Tally.__table__)
    new = new.from_select([column.name for column in columns], select(*columns).where(true()))
    new = new.on_conflict_do_update(
        index_elements=[Tally.account_id, Tally.counted, Tally.day, Tally.key],
        set_={"number": Tally.__table__.c.number + new.excluded.number},
    )
    return text(str(new.compile(dialect=kind.dialect(), compile_kwargs={"literal_binds": True})))
