"""Empty indexes in SQLite and in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from platelane.pb.v1 import domain_pb2, reads_pb2, stages_pb2
from reads import queries, writing
from reads.engine import open_engine
from reads.schema import migrate
from tests.postgres import programs, running_postgres

NO_POSTGRES = "PostgreSQL is not installed here, or the tests run as root and there is no user called postgres"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    if programs() is None:
        pytest.skip(NO_POSTGRES)
    with running_postgres() as address:
        yield address


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/reads.db"
    found: str = request.getfixturevalue("postgres")
    engine = open_engine(found)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return found


@pytest.fixture
def engine(address: str) -> Iterator[Engine]:
    engine = open_engine(address)
    migrate(engine)
    yield engine
    engine.dispose()


def job(number: int) -> str:
    """The id of a job."""
    return f"{number:032x}"


def result(
    number: int, plate: str = "ab12cde", *, camera: str = "gate", account: str = "everybody", **more: Any
) -> stages_pb2.Result:
    """Of second `number`, with one plate; `more`: region, make, color, type, score."""
    seen = domain_pb2.Sighting(
        plate=domain_pb2.Plate(
            text=plate,
            text_score=more.get("score", 0.9),
            detection_score=0.8,
            box=domain_pb2.Box(xmin=1.4, ymin=2, xmax=30.6, ymax=12),
            regions=[domain_pb2.Scored(value=more.get("region", "de"), score=0.7)],
            crop=0,
        )
    )
    if "make" in more or "color" in more:
        seen.vehicle.CopyFrom(
            domain_pb2.Vehicle(
                types=[domain_pb2.Scored(value=more.get("type", "Sedan"), score=1)],
                make_models=[domain_pb2.MakeModel(make=more.get("make", ""), model="Golf", score=1)],
                colors=[domain_pb2.Scored(value=more.get("color", ""), score=1)],
            )
        )
    recognition = domain_pb2.Recognition(
        id=job(number), camera_id=camera, timestamp_us=number * 1_000_000, sightings=[seen] if plate else []
    )
    return stages_pb2.Result(recognition=recognition, account=account)


class Asked:
    """An index that is filled and asked without a bus."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sequence = 0

    def transact(self, work: Callable[..., Any], *arguments: Any) -> Any:
        with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
            return work(connection, *arguments)

    def add(self, *results: stages_pb2.Result) -> int:
        stored = [writing.Stored(self._sequence + place, each) for place, each in enumerate(results, 1)]
        self._sequence += len(results)
        return int(self.transact(writing.add, stored))

    def search(self, page_size: int = 50, cursor: str = "", **wanted: Any) -> dict[str, Any]:
        question = reads_pb2.SearchReads(page_size=page_size, cursor=cursor)
        found: dict[str, Any] = self.transact(queries.search, reads_pb2.ReadFilter(**wanted), question)
        return found

    def plates(self, **wanted: Any) -> list[str]:
        return [read["plate"] for read in self.search(**wanted)["reads"]]

    def counts(self, by: str, **wanted: Any) -> dict[str, int]:
        question = reads_pb2.CountReads(by=by)
        body = self.transact(queries.count, reads_pb2.ReadFilter(**wanted), question)
        return {bucket["key"]: bucket["count"] for bucket in body["buckets"]}


@pytest.fixture
def index(engine: Engine) -> Asked:
    return Asked(engine)
