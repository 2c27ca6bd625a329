"""The schema is created once, step by step, and never rolled back."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from platelane.errors import CannotStart
from platelane.pb.v1 import reads_pb2
from reads import engine as engine_module
from reads.engine import open_engine
from reads.schema import STEPS, migrate

from .conftest import Asked, result


def test_steps_are_taken_once_and_a_newer_schema_is_left_alone(address: str) -> None:
    engine = open_engine(address)
    taken: list[int] = []

    def newer(connection: Connection) -> None:
        connection.execute(text("ALTER TABLE cameras ADD COLUMN note VARCHAR"))
        taken.append(len(STEPS) + 1)

    for _ in range(2):
        migrate(engine)
    for _ in range(2):
        migrate(engine, [*STEPS, newer])
    assert taken == [len(STEPS) + 1]
    with pytest.raises(CannotStart, match=f"version {len(STEPS) + 1}"):
        migrate(engine)
    engine.dispose()


def test_what_older_versions_filled_is_brought_up_to_date(address: str) -> None:
    engine = open_engine(address)
    migrate(engine)
    old = Asked(engine)
    old.add(result(1, "ab12cde", make="Audi"), result(90_000, "xy99zz", make="Audi"))
    with engine.begin() as connection:
        for statement in (
            "DROP TABLE tallies",
            "DROP INDEX plates_by_ends",
            "ALTER TABLE plates DROP COLUMN ends",
            "UPDATE schema_version SET version = 2",
        ):
            connection.execute(text(statement))
    migrate(engine)
    assert old.counts("day") == {"1970-01-01": 1, "1970-01-02": 1}
    assert old.counts("make") == {"Audi": 2}
    assert old.plates(plate="ab22cde", match=reads_pb2.PLATE_MATCH_NEAR) == ["ab12cde"]
    engine.dispose()


@pytest.mark.parametrize("wrong", ["mysql://host/name", "reads.db", "sqlite://", ""])
def test_other_databases_are_refused(wrong: str) -> None:
    with pytest.raises(CannotStart, match="PLATELANE_READS_DATABASE"):
        open_engine(wrong)


def test_a_question_that_takes_too_long_is_given_up_and_writing_is_not(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(engine_module, "QUERY_PATIENCE", 0.01)
    engine = open_engine(address)
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) SELECT count(*) FROM n"
    with pytest.raises(OperationalError), engine.connect() as connection, connection.begin():
        connection.execute(text(numbers))
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        assert connection.execute(text(numbers)).scalar() == 1_000_000
    engine.dispose()
