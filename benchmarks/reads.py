"""How long queries of the index of reads take: `python -m benchmarks.reads [--reads N] [--postgres URL]`.

Fills an empty index with made-up reads, runs typical queries several times each, and writes a section of RESULTS.md.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import random
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from typing import Any, Final

from sqlalchemy import Engine, func, select, text

from benchmarks.results import record, table
from platelane.pb.v1 import domain_pb2, reads_pb2, stages_pb2
from reads import engine as reads_engine
from reads import queries, tallies, writing
from reads.look_alikes import look_of
from reads.models import PLACES, Account, Camera, Plate, Read
from reads.schema import migrate
from tests.postgres import programs, running_postgres

BATCH: Final = 250
INDEXED: Final = 4_000
"""Photographs that are indexed the way the service does it."""
TIMES: Final = 5
FEW_TIMES: Final = 3
LISTED: Final = (100, 5_000)
"""Sizes of the watch-lists in the queries."""
START_US: Final = 1_790_000_000_000_000
WEEK_US: Final = 7 * 86_400_000_000
REGIONS: Final = ("de", "fr", "nl", "us-ca", "gb", "es", "pl", "at", "it", "li")
MAKES: Final = ("Volkswagen", "Toyota", "BMW", "Ford", "Renault", "Audi", "Fiat", "Skoda", "Volvo", "Lancia")
COLORS: Final = ("white", "black", "silver", "gray", "blue", "red", "brown", "green", "yellow", "purple")
CHARACTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789"


def plate(chance: random.Random) -> str:
    """A random text of six to eight characters."""
    return "".join(chance.choices(CHARACTERS, k=chance.choice((6, 7, 7, 8))))


def photographs(number: int) -> Iterator[writing.Stored]:
    """Photographs of one plate each; a third show plates that come daily, the others rare ones."""
    chance = random.Random(1)
    regulars = [plate(chance) for _ in range(5_000)]
    others = [plate(chance) for _ in range(max(1, number // 2))]
    weights = [1 / (rank + 1) ** 2 for rank in range(len(MAKES))]
    for sequence in range(1, number + 1):
        when = START_US + sequence * WEEK_US // number
        seen = domain_pb2.Sighting(
            plate=domain_pb2.Plate(
                text=chance.choice(regulars if chance.random() < 1 / 3 else others),
                text_score=chance.betavariate(8, 1),
                detection_score=0.9,
                box=domain_pb2.Box(xmin=10, ymin=20, xmax=110, ymax=50),
                regions=[domain_pb2.Scored(value=chance.choices(REGIONS, weights)[0], score=0.9)],
                crop=0,
            ),
            vehicle=domain_pb2.Vehicle(
                types=[domain_pb2.Scored(value="Sedan", score=0.9)],
                make_models=[domain_pb2.MakeModel(make=chance.choices(MAKES, weights)[0], model="X", score=0.8)],
                colors=[domain_pb2.Scored(value=chance.choices(COLORS, weights)[0], score=0.8)],
            ),
        )
        recognition = domain_pb2.Recognition(
            id=f"{when // 1000:012x}{sequence:020x}",
            camera_id=f"gate-{chance.randrange(40)}",
            timestamp_us=when,
            sightings=[seen],
        )
        yield writing.Stored(sequence, stages_pb2.Result(recognition=recognition, account="everybody"))


def index(engine: Engine, number: int) -> float:
    """Index photographs the way the service does; returns processor seconds of this process per photograph."""
    stream, started = photographs(number), time.process_time()
    for start in range(0, number, BATCH):
        batch = list(itertools.islice(stream, min(BATCH, number - start)))
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            writing.add(connection, batch)
    return (time.process_time() - started) / number


def fill(engine: Engine, number: int, first: int) -> None:
    """Insert rows like those of `photographs` directly into the tables: a million within minutes."""
    chance = random.Random(2)
    with engine.begin() as connection:
        (account,) = connection.execute(select(Account.id)).scalars()
        cameras = list(connection.execute(select(Camera.id)).scalars())
        known = list(connection.execute(select(Plate.id)).scalars())
    plates = [
        (max(known) + place, account, text, look_of(text), look_of(text)[::-1])
        for place, text in enumerate(sorted({plate(chance) for _ in range(number // 2)}), 1)
    ]
    columns = [column.name for column in Read.__table__.c]
    weights = [1 / (rank + 1) ** 2 for rank in range(len(MAKES))]
    unseen = {row[0] for row in plates}

    def reads() -> Iterator[tuple[Any, ...]]:
        for sequence in range(first, first + number):
            when = START_US + sequence * WEEK_US // (first + number)
            of = chance.choice(known) if chance.random() < 1 / 3 else chance.choice(plates)[0]
            values = {
                **{"id": sequence * PLACES, "name": f"{when // 1000:012x}{sequence:020x}.0", "account_id": account},
                **{"camera_id": chance.choice(cameras), "plate_id": of, "time_us": when, "first_seen": of in unseen},
                **{"score": round(chance.betavariate(8, 1), 3), "dscore": 0.9, "region_score": 0.9, "type": "Sedan"},
                **{"region": chance.choices(REGIONS, weights)[0], "make": chance.choices(MAKES, weights)[0]},
                **{"model": "X", "color": chance.choices(COLORS, weights)[0], "orientation": "", "direction": None},
                **{"x1": 10, "y1": 20, "x2": 110, "y2": 50, "has_crop": True, "has_vehicle": True},
                **{"correct": None, "correction": None, "original": None},
            }
            unseen.discard(of)
            yield tuple(values[name] for name in columns)

    insert_all(engine, "plates", ["id", "account_id", "text", "look", "kool"], plates)
    insert_all(engine, "reads", columns, reads())
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        tallies.recount(connection)
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("SET statement_timeout = 0"))
            connection.execute(text("VACUUM ANALYZE"))


def insert_all(engine: Engine, name: str, columns: list[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Insert rows in the fastest way that the database has."""
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        raw: Any = connection.connection.cursor()
        if engine.dialect.name == "postgresql":
            with raw.copy(f"COPY {name} ({', '.join(columns)}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            places = ", ".join("?" * len(columns))
            raw.executemany(f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({places})", rows)


def questions(some: str) -> dict[str, reads_pb2.ReadFilter]:
    """Typical queries of first pages; `some` is a plate that was seen."""
    wildcard, near = reads_pb2.PLATE_MATCH_WILDCARD, reads_pb2.PLATE_MATCH_NEAR
    return {
        "the newest": reads_pb2.ReadFilter(),
        "a plate": reads_pb2.ReadFilter(plate=some),
        "`ab*`": reads_pb2.ReadFilter(plate=f"{some[:2]}*", match=wildcard),
        "`*123*`": reads_pb2.ReadFilter(plate=f"*{some[2:5]}*", match=wildcard),
        "`?b*4?`": reads_pb2.ReadFilter(plate=f"?{some[1]}*{some[-2]}?", match=wildcard),
        "`*1*`": reads_pb2.ReadFilter(plate="*1*", match=wildcard),
        "near a plate": reads_pb2.ReadFilter(plate=some[:-1] + "0", match=near),
        "nothing like it": reads_pb2.ReadFilter(plate="*qqqqqq*", match=wildcard),
        "a camera": reads_pb2.ReadFilter(camera_id="gate-7"),
        "a camera, a day": reads_pb2.ReadFilter(camera_id="gate-7", before_us=START_US + 86_400_000_000),
        "a rare make": reads_pb2.ReadFilter(make=MAKES[-1]),
        "a rare make and colour": reads_pb2.ReadFilter(make=MAKES[-1], color=COLORS[-1]),
        "a rare make, seen first": reads_pb2.ReadFilter(make=MAKES[-1], first_seen=True),
        "score from 0.999": reads_pb2.ReadFilter(score_min=0.999),
        "another region, `*12*`": reads_pb2.ReadFilter(region=REGIONS[-1], plate="*12*", match=wildcard),
    }


def lists() -> dict[str, list[reads_pb2.Watched]]:
    """Watch-lists, of whose plates half were seen."""
    chance = random.Random(1)
    seen = [plate(chance) for _ in range(LISTED[-1])]
    return {
        f"on a list of {number:,}{', one character may differ' if distance else ''}": [
            reads_pb2.Watched(plates=[reads_pb2.WatchedPlate(text=each) for each in seen[:number]], distance=distance)
        ]
        for number in LISTED
        for distance in (0, 1)
    }


def measure(engine: Engine, number: int) -> str:
    """Fill the index unless it is full, and run the queries; returns the figures as Markdown."""
    migrate(engine)
    with engine.connect() as connection:
        kept = connection.execute(select(func.count()).select_from(Read)).scalar_one()
    indexing = ""
    if not kept:
        indexing = f"{1e3 * index(engine, INDEXED):.2f} ms of processor to index a photograph, "
        fill(engine, number - INDEXED, INDEXED + 1)
    elif kept != number:
        raise SystemExit(f"error: the database has {kept:,} reads")
    with engine.connect() as connection:
        first = select(Plate.text).join(Read, Read.plate_id == Plate.id).order_by(Read.id).limit(1)
        some = connection.execute(first).scalar_one()
    page, groups = reads_pb2.SearchReads(page_size=50), reads_pb2.GroupReads(page_size=50)
    watched = {name: reads_pb2.ReadFilter(watched=each) for name, each in lists().items()}
    rows = [_first_page(engine, name, wanted, page) for name, wanted in (questions(some) | watched).items()]
    day = reads_pb2.ReadFilter(after_us=START_US + 6 * WEEK_US // 7)
    wholes: list[tuple[str, Any, reads_pb2.ReadFilter, Any]] = [
        ("by plate, all", queries.group, reads_pb2.ReadFilter(), groups)
    ]
    wholes += [("by plate, a day", queries.group, day, groups)]
    for by in tallies.COUNTED:
        counting = reads_pb2.CountReads(by=by)
        wholes += [(f"by {by}, all", queries.count, reads_pb2.ReadFilter(), counting)]
        wholes += [(f"by {by}, a day", queries.count, day, counting)]
    slow = []
    for name, ask, wanted, question in wholes:
        asked = [_milliseconds(engine, ask, wanted, question) for _ in range(FEW_TIMES)]
        took, work = [each[0] for each in asked], [each[1] for each in asked]
        slow.append(
            [name, *(f"{figure:.0f}" for figure in (statistics.median(took), max(took), statistics.median(work)))]
        )
    return (
        f"**{_version(engine)}**: {indexing}{_bytes(engine) / 1e6:.0f} MB on the disk."
        f"\n\n{table(['first page of', 'reads', 'median, ms', 'slowest, ms', 'processor, ms'], rows)}\n\n"
        f"{table(['counted', 'median, ms', 'slowest, ms', 'processor, ms'], slow)}"
    )


def _first_page(engine: Engine, name: str, wanted: reads_pb2.ReadFilter, page: reads_pb2.SearchReads) -> list[str]:
    wanted.account = "everybody"
    asked = [_milliseconds(engine, queries.search, wanted, page) for _ in range(TIMES)]
    took = [milliseconds for milliseconds, _, _ in asked]
    work = statistics.median(work for _, work, _ in asked)
    return [name, str(len(asked[0][2]["reads"])), f"{statistics.median(took):.1f}", f"{max(took):.1f}", f"{work:.1f}"]


def _milliseconds(engine: Engine, ask: Any, wanted: Any, question: Any) -> tuple[float, float, dict[str, Any]]:
    """The duration, the processor time of this process (with SQLite, all of it), and the answer."""
    started, began = time.perf_counter(), time.thread_time()
    with engine.connect() as connection, connection.begin():
        answer = ask(connection, wanted, question)
    return 1e3 * (time.perf_counter() - started), 1e3 * (time.thread_time() - began), answer


def _version(engine: Engine) -> str:
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            return f"PostgreSQL {connection.exec_driver_sql('SHOW server_version').scalar_one()}"
        return f"SQLite {connection.exec_driver_sql('SELECT sqlite_version()').scalar_one()}"


def _bytes(engine: Engine) -> int:
    """Size of the whole database on disk."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            return int(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        return int(pages) * int(connection.exec_driver_sql("PRAGMA page_size").scalar_one())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reads", type=int, default=1_000_000)
    parser.add_argument(
        "--postgres", default="", help="address of an empty database to measure too; empty: start a server"
    )
    parser.add_argument("--sqlite", default="", help="file to fill and keep, or a filled one; empty: a temporary file")
    arguments = parser.parse_args()
    reads_engine.QUERY_PATIENCE = 600.0  # type: ignore[misc]  # so that slow queries are measured too
    sections = []
    with contextlib.ExitStack() as until:
        folder = until.enter_context(tempfile.TemporaryDirectory())
        addresses = [f"sqlite:///{arguments.sqlite or f'{folder}/reads.db'}"]
        if arguments.postgres:
            addresses.append(arguments.postgres)
        elif programs() is not None:
            addresses.append(until.enter_context(running_postgres()))
        else:
            print("PostgreSQL is not installed here, and not measured.")
        for address in addresses:
            engine = reads_engine.open_engine(address)
            try:
                sections.append(measure(engine, arguments.reads))
            finally:
                engine.dispose()
    record(
        "Index of reads (`python -m benchmarks.reads`)",
        f"{arguments.reads:,} made-up reads of a week and 40 cameras. Each query of the gateway ran {TIMES} times, "
        f"counts {FEW_TIMES} times. Milliseconds, without the bus and HTTP.\n\n" + "\n\n".join(sections),
    )


if __name__ == "__main__":
    main()
