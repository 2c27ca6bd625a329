"""Creates and migrates the schema of the database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import structlog
from sqlalchemy import Connection, Engine, inspect, text

from platelane.errors import CannotStart
from reads import tallies
from reads.models import ENDS, Base

log = structlog.get_logger(__name__)

_LOCK: Final = 0x706C6174
"""Key of the lock that a process holds while it changes the schema."""


def _first(connection: Connection) -> None:
    """Tables and indexes, and the trigrams of plates."""
    Base.metadata.create_all(connection)
    if connection.dialect.name == "postgresql":
        connection.execute(text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
        connection.execute(text("CREATE INDEX plates_by_trigram ON plates USING gin (text gin_trgm_ops)"))
        return
    for statement in (
        "CREATE VIRTUAL TABLE plate_trigrams"
        " USING fts5(text, content='plates', content_rowid='id', tokenize='trigram')",
        "CREATE TRIGGER plate_added AFTER INSERT ON plates BEGIN"
        " INSERT INTO plate_trigrams(rowid, text) VALUES (new.id, new.text); END",
        "CREATE TRIGGER plate_removed AFTER DELETE ON plates BEGIN"
        " INSERT INTO plate_trigrams(plate_trigrams, rowid, text) VALUES ('delete', old.id, old.text); END",
    ):
        connection.execute(text(statement))


def _reviewed(connection: Connection) -> None:
    """An index of the few reads that a person has reviewed."""
    connection.execute(text("CREATE INDEX reads_reviewed ON reads (account_id, time_us, id) WHERE correct IS NOT NULL"))


def _counted(connection: Connection) -> None:
    """The column `ends`, by which near plates are found, and tallies."""
    if "ends" not in {column["name"] for column in inspect(connection).get_columns("plates")}:
        kind = 'VARCHAR COLLATE "C"' if connection.dialect.name == "postgresql" else "VARCHAR"
        how = "STORED" if connection.dialect.name == "postgresql" else "VIRTUAL"
        connection.execute(text(f"ALTER TABLE plates ADD COLUMN ends {kind} GENERATED ALWAYS AS ({ENDS}) {how}"))
        connection.execute(text("CREATE INDEX plates_by_ends ON plates (account_id, ends, text)"))
    Base.metadata.create_all(connection)
    tallies.recount(connection)
    if connection.dialect.name == "postgresql":
        connection.execute(text("ANALYZE plates, tallies"))


STEPS: Final[Sequence[Callable[[Connection], None]]] = (_first, _reviewed, _counted)
"""Each step takes the schema from one version to the next; released steps must not be changed."""


def migrate(engine: Engine, steps: Sequence[Callable[[Connection], None]] = STEPS) -> None:
    """Migrate the database to the newest version in one transaction; several processes may do so at once.

    Raises:
        CannotStart: a newer Platelane has changed it.
    """
    with engine.execution_options(writes=True).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        if not inspect(connection).has_table("schema_version"):
            connection.execute(text("CREATE TABLE schema_version (version INTEGER NOT NULL)"))
            connection.execute(text("INSERT INTO schema_version VALUES (0)"))
        version = connection.execute(text("SELECT version FROM schema_version")).scalar_one()
        if version > len(steps):
            raise CannotStart(
                f"The database of reads has version {version}, but this Platelane only knows {len(steps)}. Run the "
                "newer Platelane, or set PLATELANE_READS_DATABASE to a new database, which is filled automatically."
            )
        for number in range(version, len(steps)):
            steps[number](connection)
            log.info("schema_changed", version=number + 1)
        connection.execute(text("UPDATE schema_version SET version = :version"), {"version": len(steps)})
