"""Queries of the index. Each returns the answer of the REST API."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Connection, Row, Select, case, cast, func, select, tuple_
from sqlalchemy.orm import aliased

from platelane.errors import BadRequest
from platelane.pb.v1 import reads_pb2
from reads import tallies
from reads.conditions import conditions, divided, owners_of
from reads.models import PLACES, Account, Camera, Correction, Plate, Read

Json = dict[str, Any]

MOST_SEEN_BEFORE: Final = 1_000
"""Earlier reads of a plate are counted up to this number."""
NEWEST: Final = 20_000
"""The newest reads, among which the plates seen last are searched."""
MOST_BUCKETS: Final = 1_000
MOST_HOURS: Final = 168
_CURSOR: Final = re.compile(r"(-?[0-9]{1,18})-([0-9]{1,18})")


def search(connection: Connection, wanted: reads_pb2.ReadFilter, question: reads_pb2.SearchReads) -> Json:
    """A page of reads, the newest first.

    Raises:
        BadRequest: the cursor or the plate cannot be used.
    """
    query = _READS.where(*conditions(connection, wanted))
    if question.cursor:
        query = query.where(tuple_(Read.time_us, Read.id) < _place(question.cursor))
    query = query.order_by(Read.time_us.desc(), Read.id.desc()).limit(question.page_size + 1)
    rows = connection.execute(query).all()
    page = rows[: question.page_size]
    complete = len(rows) <= question.page_size
    return {
        "reads": [_read(row) for row in page],
        "next": None if complete else f"{page[-1].time_us}-{page[-1].id}",
        "total": len(page) if complete and not question.cursor else None,
    }


def group(connection: Connection, wanted: reads_pb2.ReadFilter, question: reads_pb2.GroupReads) -> Json:
    """Reads grouped by plate, the most recently seen plate first. Raises BadRequest."""
    owner, found = divided(connection, wanted)
    plates = _last_seen(connection, owner + found, question.page_size)
    if plates is not None:
        owner, found = [], [*found, Read.plate_id.in_(plates)]  # the plates imply the account
    last = func.max(Read.time_us).label("last")
    query = (
        select(
            Read.plate_id,
            func.count().label("count"),
            func.min(Read.time_us).label("first"),
            last,
        )
        .where(*owner, *found)
        .group_by(Read.plate_id)
        .order_by(last.desc(), Read.plate_id)
        .limit(question.page_size)
    )
    rows = connection.execute(query).all()
    texts = _texts(connection, [row.plate_id for row in rows])
    cameras = _cameras_of(connection, found, [row.plate_id for row in rows])
    groups = [
        {
            "plate": texts[row.plate_id],
            "count": row.count,
            "first": _time(row.first),
            "last": _time(row.last),
            "cameras": cameras.get(row.plate_id, []),
        }
        for row in rows
    ]
    return {"groups": groups, "next": None}


def _last_seen(connection: Connection, found: list[ColumnElement[bool]], number: int) -> list[int] | None:
    """The ids of the `number` plates seen last; None if the `NEWEST` reads are of fewer plates, and there are more."""
    query = select(Read.plate_id).where(*found).order_by(Read.time_us.desc(), Read.id.desc()).limit(NEWEST)
    plates: dict[int, None] = {}
    read = 0
    for (plate,) in connection.execute(query):
        read += 1
        plates[plate] = None
        if len(plates) == number:
            return list(plates)
    return list(plates) if read < NEWEST else None


def count(connection: Connection, wanted: reads_pb2.ReadFilter, question: reads_pb2.CountReads) -> Json:
    """How many reads there are per hour, camera and so on; times in order, other values most frequent first.

    By hour, only the newest `MOST_HOURS` with reads are counted.

    Raises:
        BadRequest: reads cannot be counted by this field.
    """
    if question.by not in tallies.COUNTED:
        raise BadRequest(f"by must be one of {', '.join(tallies.COUNTED)}.")
    counted = tallies.COUNTED[question.by]
    owner, found = divided(connection, wanted, every=True)
    owners = owners_of(connection, wanted.account)
    counts = tallies.counts(connection, question.by, wanted, owner + found, owners)
    if counted.in_order:
        newest = MOST_HOURS if question.by == "hour" else MOST_BUCKETS
        rows = sorted(counts.items(), key=lambda row: int(row[0]))[-newest:]
    else:
        rows = sorted(counts.items(), key=lambda row: (-row[1], row[0]))[:MOST_BUCKETS]
    names = _camera_names(connection) if question.by == "camera" else {}
    buckets = [
        {"key": names.get(int(key), "") if names else counted.shown(key), "count": number} for key, number in rows
    ]
    return {"by": question.by, "buckets": buckets}


def find_results(connection: Connection, wanted: reads_pb2.ReadFilter, question: reads_pb2.FindResults) -> Json:
    """Sequence numbers of the results with such reads, newest first. Raises BadRequest."""
    number = Read.id / PLACES if connection.dialect.name == "postgresql" else cast(Read.id / PLACES, BigInteger)
    query = select(number.label("number")).where(*conditions(connection, wanted))
    if question.before:
        query = query.where(Read.id < question.before * PLACES)
    found: list[int] = []
    for row in connection.execute(query.order_by(Read.id.desc()).limit(4 * question.page_size)):
        if int(row.number) not in found[-1:]:
            found.append(int(row.number))
    return {"numbers": found[: question.page_size]}


def cameras(connection: Connection, wanted: reads_pb2.ReadFilter) -> Json:
    """The cameras of an account that have sent pictures, the most recent one first."""
    reads = select(func.count()).where(Read.camera_id == Camera.id).scalar_subquery()
    query = select(Camera.name, Camera.last_us, reads.label("reads")).join(Account).where(Camera.name != "")
    if wanted.account:
        query = query.where(Account.name == wanted.account)
    rows = connection.execute(query.order_by(Camera.last_us.desc()).limit(MOST_BUCKETS))
    return {"cameras": [{"camera_id": row.name, "last_seen": _time(row.last_us), "reads": row.reads} for row in rows]}


def accuracy(connection: Connection, wanted: reads_pb2.ReadFilter) -> Json:
    """How many reads of each camera a person has reviewed, and how many of these had been read correctly."""
    reviewed = func.count().label("reviewed")
    right = func.sum(case((Read.correct.is_(True), 1), else_=0)).label("correct")
    query = select(Read.camera_id, reviewed, right).where(*conditions(connection, wanted), Read.correct.is_not(None))
    rows = connection.execute(query.group_by(Read.camera_id).order_by(reviewed.desc()).limit(MOST_BUCKETS)).all()
    names = _camera_names(connection)
    return {
        "cameras": [
            {"camera_id": names.get(row.camera_id, ""), "reviewed": row.reviewed, "correct": int(row.correct)}
            for row in rows
        ]
    }


def corrections(connection: Connection, wanted: reads_pb2.ReadFilter) -> Json:
    """How many corrections of an account's reads are kept."""
    corrected = select(func.count()).select_from(Correction).join(Read, Read.name == Correction.name)
    owners = owners_of(connection, wanted.account)
    return {"corrections": connection.execute(corrected.where(Read.account_id.in_(owners))).scalar_one()}


def _reads() -> Select[Any]:
    earlier = aliased(Read)
    before = (
        select(earlier.id)
        .where(earlier.plate_id == Read.plate_id, tuple_(earlier.time_us, earlier.id) < tuple_(Read.time_us, Read.id))
        .limit(MOST_SEEN_BEFORE)
        .correlate(Read)
        .subquery()
    )
    seen_before = select(func.count()).select_from(before).scalar_subquery().label("seen_before")
    return (
        select(*Read.__table__.c, Plate.text.label("text"), Camera.name.label("camera"), seen_before)
        .select_from(Read)
        .join(Plate, Plate.id == Read.plate_id)
        .join(Camera, Camera.id == Read.camera_id)
    )


_READS: Final = _reads()
"""Built once: it is the same for all queries."""


def _read(row: Row[Any]) -> Json:
    """A read as the REST API shows it: the values as read, even if they were corrected later."""
    read = {**row._mapping, **(row.original or {})}
    pictures = f"/v1/results/{row.name}"
    return {
        "id": row.name,
        "plate": read["text"],
        "camera_id": row.camera or None,
        "time": _time(row.time_us),
        "score": row.score,
        "dscore": row.dscore,
        "region": {"code": read["region"], "score": row.region_score},
        "vehicle": {
            "type": row.type or None,
            "make": read["make"] or None,
            "model": read["model"] or None,
            "color": read["color"] or None,
            "orientation": row.orientation or None,
            "direction": row.direction,
        },
        "box": {"xmin": row.x1, "ymin": row.y1, "xmax": row.x2, "ymax": row.y2},
        "image": {
            "plate": f"{pictures}/plate.webp" if row.has_crop else None,
            "vehicle": f"{pictures}/vehicle.webp" if row.has_crop and row.has_vehicle else None,
        },
        "correction": row.correction,
        "watchlists": [],
        "seen_before": row.seen_before,
    }


def _place(cursor: str) -> tuple[int, int]:
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise BadRequest("cursor must be the `next` of a page.")
    return int(match[1]), int(match[2])


def _texts(connection: Connection, plates: list[int]) -> dict[int, str]:
    rows = connection.execute(select(Plate.id, Plate.text).where(Plate.id.in_(plates)))
    return {row.id: row.text for row in rows}


def _cameras_of(connection: Connection, wanted: list[ColumnElement[bool]], plates: list[int]) -> dict[int, list[str]]:
    query = select(Read.plate_id, Camera.name).join(Camera, Camera.id == Read.camera_id).distinct()
    rows = connection.execute(query.where(Read.plate_id.in_(plates), *wanted))
    found: dict[int, list[str]] = {}
    for row in rows:
        found.setdefault(row.plate_id, []).append(row.name)
    return {plate: sorted(names) for plate, names in found.items()}


def _camera_names(connection: Connection) -> dict[int, str]:
    return {row.id: row.name for row in connection.execute(select(Camera.id, Camera.name))}


def _time(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
