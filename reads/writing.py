"""Adds reads and corrections to the index, and removes expired reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Insert, delete, exists, insert, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from platelane.pb.v1 import stages_pb2
from reads import tallies
from reads.look_alikes import look_of
from reads.models import PLACES, Account, Camera, Correction, Plate, Position, Read, Tally
from reads.rows import PlateRow, plate_rows

EXPIRED_AT_ONCE: Final = 5_000
_CORRECTABLE: Final = ("text", "region", "make", "model", "color")


@dataclass(frozen=True, slots=True)
class Stored:
    """A result and its number in the stream."""

    sequence: int
    result: stages_pb2.Result


def position(connection: Connection, stream: str, created: str) -> int:
    """The number of the last indexed message of a stream; 0 if the stream has been recreated.

    Locks this position until the end of the transaction: other processes wait.
    """
    row = connection.execute(select(Position).where(Position.stream == stream).with_for_update()).one_or_none()
    return row.sequence if row and row.created == created else 0


def advance(connection: Connection, stream: str, created: str, sequence: int) -> None:
    """Note how far a stream has been read."""
    values = {"stream": stream, "created": created, "sequence": sequence}
    if not connection.execute(update(Position).where(Position.stream == stream).values(values)).rowcount:
        connection.execute(_new(connection, Position.__table__), values)


def forget_all(connection: Connection) -> None:
    """Remove everything that came from RESULTS, because that stream was recreated."""
    for model in (Tally, Read, Plate, Camera, Account):
        connection.execute(delete(model))


def forget_corrections(connection: Connection) -> None:
    """Remove all corrections."""
    for name in connection.execute(select(Correction.name)).scalars().all():
        correct(connection, name, None)


def add(connection: Connection, stored: Sequence[Stored]) -> int:
    """Add results to the index, ignoring those it already has; returns the number of reads in them."""
    results = [each.result for each in stored]
    accounts = _accounts(connection, {result.account for result in results})
    cameras = _cameras(connection, accounts, results)
    reads = [read for each in stored for read in plate_rows(each.sequence, each.result)]
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
    """Store a person's correction of a read, which may not have arrived yet; None removes the correction."""
    connection.execute(delete(Correction).where(Correction.name == name))
    if said is not None:
        connection.execute(_new(connection, Correction.__table__), [{"name": name, "said": said}])
    read = connection.execute(select(Read.id).where(Read.name == name)).scalar_one_or_none()
    if read is not None:
        with tallies.following(connection, read, read):
            _apply(connection, name, said)


def _apply(connection: Connection, name: str, said: dict[str, Any] | None) -> None:
    """Replace the values as read by the corrected ones, so that the read is found, grouped and counted by these."""
    query = select(*Read.__table__.c, Plate.text).join(Plate, Plate.id == Read.plate_id).where(Read.name == name)
    row = connection.execute(query).one_or_none()
    if row is None:
        return
    before: dict[str, Any] = {field: row._mapping[field] for field in _CORRECTABLE} | (row.original or {})
    corrected = {"text" if field == "plate" else field: value for field, value in (said or {}).items()}
    now: dict[str, Any] = {field: corrected.get(field, before[field]) for field in _CORRECTABLE}
    changed = {field: before[field] for field in _CORRECTABLE if now[field] != before[field]}
    text = now.pop("text")
    values = {
        **now,
        "plate_id": row.plate_id if text == row.text else plate_id(connection, row.account_id, text),
        "correct": "text" not in changed if corrected.keys() & {"text", "accepted"} else None,
        "correction": said,
        "original": changed or None,
    }
    connection.execute(update(Read).where(Read.id == row.id).values(values))
    if text != row.text:
        _remove_unused(connection, [row.plate_id])


def first_kept(connection: Connection, first_sequence: int, limit: int) -> int:
    """The lowest id of reads to keep: results before `first_sequence` have expired, and at most `limit` are kept."""
    ids = select(Read.id).order_by(Read.id)
    surplus = ids.offset(max(0, tallies.repaired(connection) - limit)).limit(1)
    return max(first_sequence * PLACES, connection.execute(surplus).scalar_one_or_none() or 0)


def expire(connection: Connection, first: int) -> int:
    """Remove reads with ids below `first`, at most `EXPIRED_AT_ONCE`; returns how many were removed."""
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
    """Remove those of these plates that have no reads left."""
    unused = ~exists().where(Read.plate_id == Plate.id)
    connection.execute(delete(Plate).where(Plate.id.in_(plates), unused))


def plate_id(connection: Connection, account_id: int, text: str) -> int:
    """The id of the plate with this text, which is created if necessary."""
    values = [{"account_id": account_id, "text": text, "look": look_of(text), "kool": look_of(text)[::-1]}]
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
    connection: Connection, accounts: dict[str, int], reads: Iterable[PlateRow]
) -> tuple[dict[tuple[int, str], int], set[int]]:
    """The plates of reads, created if necessary, and the ids of those that were created."""
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
        {"account_id": owner, "text": text, "look": look_of(text), "kool": look_of(text)[::-1]}
        for owner, text in missing
    ]
    connection.execute(_new(connection, Plate.__table__), values)
    made = find(missing)
    return known | made, set(made.values())


def _new(connection: Connection, table: Any) -> Insert:
    """An INSERT that ignores existing rows."""
    statement: Insert = _dialect_insert(connection, table).on_conflict_do_nothing()  # type: ignore[attr-defined]
    return statement


def _dialect_insert(connection: Connection, table: Any) -> Insert:
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else insert(table)


def _chunks(values: list[Any], size: int) -> Iterable[list[Any]]:
    return (values[start : start + size] for start in range(0, len(values), size))
