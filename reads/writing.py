"""What goes into the index, and what leaves it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Insert, delete, exists, insert, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from platelane.pb.v1 import stages_pb2
from reads import tallies
from reads.look_alikes import look
from reads.models import PLACES, Account, Camera, Correction, Plate, Position, Read, Tally
from reads.rows import Seen, seen

EXPIRED_AT_ONCE: Final = 5_000
_CORRECTABLE: Final = ("text", "region", "make", "model", "color")


@dataclass(frozen=True, slots=True)
class Stored:
    """A result and its number in the stream."""

    sequence: int
    result: stages_pb2.Result


def position(connection: Connection, stream: str, created: str) -> int:
    """The number of the last message of a stream that is in the index; 0 where the stream is another one by now.

    Holds the stream for this transaction: other processes wait.
    """
    row = connection.execute(select(Position).where(Position.stream == stream).with_for_update()).one_or_none()
    return row.sequence if row and row.created == created else 0


def advance(connection: Connection, stream: str, created: str, sequence: int) -> None:
    """Note how far a stream has been read."""
    values = {"stream": stream, "created": created, "sequence": sequence}
    if not connection.execute(update(Position).where(Position.stream == stream).values(values)).rowcount:
        connection.execute(_new(connection, Position.__table__), values)


def forget_all(connection: Connection) -> None:
    """Empty the index of what came from RESULTS: that stream was made anew."""
    for model in (Tally, Read, Plate, Camera, Account):
        connection.execute(delete(model))


def forget_corrections(connection: Connection) -> None:
    """Take back all corrections."""
    for name in connection.execute(select(Correction.name)).scalars().all():
        correct(connection, name, None)


def add(connection: Connection, stored: Sequence[Stored]) -> int:
    """Put results into the index, once each however often they come; how many reads are new."""
    results = [each.result for each in stored]
    accounts = _accounts(connection, {result.account for result in results})
    cameras = _cameras(connection, accounts, results)
    reads = [read for each in stored for read in seen(each.sequence, each.result)]
    if not reads:
        return 0
    known, made = _plates(connection, accounts, reads)
    rows: list[dict[str, Any]] = []
    for read in reads:
        plate = known[accounts[read.account], read.text]
        rows.append(
            {
                **read.columns,
                "account_id": accounts[read.account],
                "camera_id": cameras[accounts[read.account], read.camera],
                "plate_id": plate,
                "first_seen": plate in made,
                "correct": None,
                "correction": None,
                "original": None,
            }
        )
        made.discard(plate)
    ids, names = [row["id"] for row in rows], [row["name"] for row in rows]
    with tallies.following(connection, min(ids), max(ids)):
        connection.execute(_new(connection, Read.__table__), rows)
        for some in _chunks(names, 500):
            known_before = select(Correction.name, Correction.said).where(Correction.name.in_(some))
            for correction in connection.execute(known_before).all():
                _apply(connection, correction.name, correction.said)
    return len(rows)


def correct(connection: Connection, name: str, said: dict[str, Any] | None) -> None:
    """Note what a person said about a read, which may still have to come; None takes it back."""
    connection.execute(delete(Correction).where(Correction.name == name))
    if said is not None:
        connection.execute(_new(connection, Correction.__table__), [{"name": name, "said": said}])
    read = connection.execute(select(Read.id).where(Read.name == name)).scalar_one_or_none()
    if read is not None:
        with tallies.following(connection, read, read):
            _apply(connection, name, said)


def _apply(connection: Connection, name: str, said: dict[str, Any] | None) -> None:
    """Put what a person said in place of what was read, so that it is found, grouped and counted by that."""
    query = select(*Read.__table__.c, Plate.text).join(Plate, Plate.id == Read.plate_id).where(Read.name == name)
    row = connection.execute(query).one_or_none()
    if row is None:
        return
    before: dict[str, Any] = {field: row._mapping[field] for field in _CORRECTABLE} | (row.original or {})
    told = {"text" if field == "plate" else field: value for field, value in (said or {}).items()}
    changed = {field: before[field] for field in _CORRECTABLE if told.get(field, before[field]) != before[field]}
    now: dict[str, Any] = {field: told.get(field, before[field]) for field in _CORRECTABLE}
    text = now.pop("text")
    values = {
        **now,
        "plate_id": row.plate_id if text == row.text else plate_id(connection, row.account_id, text),
        "correct": "text" not in changed if told.keys() & {"text", "accepted"} else None,
        "correction": said,
        "original": changed or None,
    }
    connection.execute(update(Read).where(Read.id == row.id).values(values))
    if text != row.text:
        _remove_unused(connection, [row.plate_id])


def first_kept(connection: Connection, first_sequence: int, limit: int) -> int:
    """The id from which on reads are kept: their results are, from that number on, and there are at most `limit`."""
    ids = select(Read.id).order_by(Read.id)
    surplus = ids.offset(max(0, tallies.mended(connection) - limit)).limit(1)
    return max(first_sequence * PLACES, connection.execute(surplus).scalar_one_or_none() or 0)


def expire(connection: Connection, first: int) -> int:
    """Remove reads with ids below `first`, `EXPIRED_AT_ONCE` at most; how many went."""
    old = select(Read.id, Read.plate_id).where(Read.id < first).order_by(Read.id)
    found = connection.execute(old.limit(EXPIRED_AT_ONCE)).all()
    if found:
        names = select(Read.name).where(Read.id <= found[-1].id, Read.correction.is_not(None))
        connection.execute(delete(Correction).where(Correction.name.in_(names)))
        with tallies.following(connection, 0, found[-1].id):
            connection.execute(delete(Read).where(Read.id <= found[-1].id))
        tallies.remove_empty(connection)
        for some in _chunks(sorted({row.plate_id for row in found}), 500):
            _remove_unused(connection, some)
    return len(found)


def _remove_unused(connection: Connection, plates: list[int]) -> None:
    """Remove those of these plates that have no reads any more."""
    unused = ~exists().where(Read.plate_id == Plate.id)
    connection.execute(delete(Plate).where(Plate.id.in_(plates), unused))


def plate_id(connection: Connection, account_id: int, text: str) -> int:
    """The plate with this text, made where there is none."""
    values = [{"account_id": account_id, "text": text, "look": look(text), "kool": look(text)[::-1]}]
    connection.execute(_new(connection, Plate.__table__), values)
    query = select(Plate.id).where(Plate.account_id == account_id, Plate.text == text)
    return int(connection.execute(query).scalar_one())


def _accounts(connection: Connection, names: set[str]) -> dict[str, int]:
    connection.execute(_new(connection, Account.__table__), [{"name": name} for name in sorted(names)])
    rows = connection.execute(select(Account.name, Account.id).where(Account.name.in_(names)))
    return {row.name: row.id for row in rows}


def _cameras(
    connection: Connection, accounts: dict[str, int], results: Iterable[stages_pb2.Result]
) -> dict[tuple[int, str], int]:
    last: dict[tuple[int, str], int] = {}
    for result in results:
        key = accounts[result.account], result.recognition.camera_id
        last[key] = max(last.get(key, 0), result.recognition.timestamp_us)
    values = [{"account_id": owner, "name": name, "last_us": time} for (owner, name), time in sorted(last.items())]
    table = Camera.__table__
    new = _dialect_insert(connection, table)
    newer = new.on_conflict_do_update(  # type: ignore[attr-defined]
        index_elements=[table.c.account_id, table.c.name],
        set_={"last_us": new.excluded.last_us},  # type: ignore[attr-defined]
        where=table.c.last_us < new.excluded.last_us,  # type: ignore[attr-defined]
    )
    connection.execute(newer, values)
    query = select(Camera.account_id, Camera.name, Camera.id)
    rows = connection.execute(query.where(tuple_(Camera.account_id, Camera.name).in_(list(last))))
    return {(row.account_id, row.name): row.id for row in rows}


def _plates(
    connection: Connection, accounts: dict[str, int], reads: Iterable[Seen]
) -> tuple[dict[tuple[int, str], int], set[int]]:
    """The plates of reads, made where there are none, and the ids of those that were made."""
    wanted = sorted({(accounts[read.account], read.text) for read in reads})
    query = select(Plate.account_id, Plate.text, Plate.id)

    def find(keys: list[tuple[int, str]]) -> dict[tuple[int, str], int]:
        found: dict[tuple[int, str], int] = {}
        for some in _chunks(keys, 300):
            rows = connection.execute(query.where(tuple_(Plate.account_id, Plate.text).in_(some)))
            found |= {(row.account_id, row.text): row.id for row in rows}
        return found

    known = find(wanted)
    missing = [key for key in wanted if key not in known]
    if not missing:
        return known, set()
    values = [
        {"account_id": owner, "text": text, "look": look(text), "kool": look(text)[::-1]} for owner, text in missing
    ]
    connection.execute(_new(connection, Plate.__table__), values)
    made = find(missing)
    return known | made, set(made.values())


def _new(connection: Connection, table: Any) -> Insert:
    """An INSERT that leaves alone what is there."""
    statement: Insert = _dialect_insert(connection, table).on_conflict_do_nothing()  # type: ignore[attr-defined]
    return statement


def _dialect_insert(connection: Connection, table: Any) -> Insert:
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else insert(table)


def _chunks(values: list[Any], size: int) -> Iterable[list[Any]]:
    return (values[start : start + size] for start in range(0, len(values), size))
