"""The connection to the database: SQLite in a file, or PostgreSQL."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from platelane.errors import CannotStart

CONNECTIONS: Final = 4
QUERY_PATIENCE: Final = 10.0
"""Seconds after which the database cancels a query."""
_PRAGMAS: Final = (
    "journal_mode=WAL",
    "synchronous=NORMAL",  # what a power failure loses is read from the stream again
    "cache_size=-8000",
    "temp_store=MEMORY",
    "busy_timeout=10000",
)
_STEPS: Final = 100_000
"""SQLite checks after this many steps of its virtual machine whether a query has taken too long."""


def open_engine(address: str) -> Engine:
    """An engine for `sqlite:////path/reads.db` or `postgresql://user:password@host/database`.

    Raises:
        CannotStart: the address is of another kind, or cannot be understood.
    """
    try:
        url = make_url(address)
    except ArgumentError as error:
        raise CannotStart("PLATELANE_READS_DATABASE is not the address of a database.") from error
    if url.get_backend_name() == "postgresql":
        engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            pool_size=CONNECTIONS,
            max_overflow=1,
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": 5,
                "options": f"-c statement_timeout={int(QUERY_PATIENCE * 1e3)} -c jit=off",
            },
        )
        event.listen(engine, "begin", _limit_postgres)
        return engine
    if url.get_backend_name() != "sqlite" or not url.database:
        raise CannotStart("PLATELANE_READS_DATABASE must begin with sqlite:/// and a file, or with postgresql://.")
    Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, pool_size=CONNECTIONS, max_overflow=1)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _limit_sqlite)
    return engine


def _limit_postgres(connection: Any) -> None:
    """Writes have no time limit: they would only be repeated."""
    if connection.get_execution_options().get("writes"):
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy begins transactions; this module would, too late for reads
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _limit_sqlite(connection: Any) -> None:
    """Begin a transaction; queries in it are cancelled if they take too long."""
    raw: sqlite3.Connection = connection.connection.dbapi_connection
    if connection.get_execution_options().get("writes"):
        raw.set_progress_handler(None, 0)  # no caller waits for writes, and cancelled ones would only be repeated
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        return
    end = time.monotonic() + QUERY_PATIENCE
    raw.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
    connection.exec_driver_sql("BEGIN")
