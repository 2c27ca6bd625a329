"""`platelane topology`: creates and checks the NATS streams and consumers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import typer

from platelane.bus import topology
from platelane.bus.apply import Action, Change, apply
from platelane.bus.connection import Connection
from platelane.bus.requirements import Requirements
from platelane.cli.server import nats_settings, quiet
from platelane.runtime.settings import Settings

app = typer.Typer(help="Create and check the NATS streams and consumers.", no_args_is_help=True)


@app.callback()
def _only_answers() -> None:
    """Silences the log below warnings: a failure is reported once, as the command's error."""
    quiet(logging.WARNING)


Patience = Annotated[float, typer.Option(min=1, help="Seconds to wait for NATS.")]


@app.command(name="apply")
def apply_(
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace what a newer version has created, to go back to this one."),
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove partitions that the settings no longer use, and their messages.")
    ] = False,
    patience: Patience = 60.0,
) -> None:
    """Create or update the streams and consumers to match this version and its settings.

    Run it before the first start, after an upgrade, after changing settings of NATS, queues or results, and when NATS
    has lost its files. It is safe to run at any time, also under load: what is up to date is left alone, and no result,
    token, webhook or count is lost. Services change nothing themselves: they check what they need and wait until it
    exists. `platelane up` does the same at its start.

    Prints what was created, changed or left. The exit code is 0 if everything is in place, otherwise 1.
    """
    settings = nats_settings()
    changes = asyncio.run(_apply(settings, force, prune, patience))
    for change in changes:
        details = f": {', '.join(change.details)}" if change.details else ""
        print(f"{change.action:<8} {change.what}{details}")
    print(_summary(settings, changes))


@app.command()
def check(patience: Patience = 5.0) -> None:
    """Report what is missing or from another version, without changing it; the exit code is then 1."""
    problems = asyncio.run(_check(nats_settings(), patience))
    for problem in problems:
        print(problem)
    if problems:
        raise typer.Exit(1)
    print(f"Everything is in place: version {topology.VERSION}.")


def _summary(settings: Settings, changes: list[Change]) -> str:
    untouched = sum(change.action == Action.LEFT for change in changes)
    return (
        f"The topology is version {topology.VERSION}: {untouched} of {len(changes)} left as they were, "
        f"{settings.nats_replicas} copies of kept data, {settings.work_replicas} of queues, "
        f"{settings.nats_partitions} partitions."
    )


async def _apply(settings: Settings, force: bool, prune: bool, patience: float) -> list[Change]:
    async with _connected(settings, patience) as connection:
        return await apply(connection, settings, force=force, prune=prune)


async def _check(settings: Settings, patience: float) -> list[str]:
    streams = {topology.undivided(str(stream.name)) for stream in topology.streams(settings)}
    everything: tuple[str | topology.Consumer, ...] = (*sorted(streams), *topology.CONSUMERS)
    async with _connected(settings, patience) as connection:
        return await Requirements(connection, settings, everything).problems()


@asynccontextmanager
async def _connected(settings: Settings, patience: float) -> AsyncIterator[Connection]:
    connection = await Connection.open(settings, "topology", patience)
    try:
        yield connection
    finally:
        await connection.close()
