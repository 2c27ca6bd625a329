"""`platelane topology`: the streams and consumers of NATS that everything runs on."""

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

app = typer.Typer(help="Make and check the streams and consumers that everything runs on.", no_args_is_help=True)


@app.callback()
def _only_answers() -> None:
    """What goes wrong is said once, at the end, and that NATS is waited for."""
    quiet(logging.WARNING)


Patience = Annotated[float, typer.Option(min=1, help="Seconds to wait for NATS.")]


@app.command(name="apply")
def apply_(
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace what a newer Platelane has made, to go back to this one."),
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove partitions that these settings no longer use, with what they hold.")
    ] = False,
    patience: Patience = 60.0,
) -> None:
    """Make every stream and consumer what this version and its settings say.

    Run it before the first start, after an upgrade, after a change of the settings that streams depend on (those of
    NATS, queues and results), and when NATS has lost its files. It may be run again at any time and while everything
    works: what is as it should be is left alone, and no result, token, webhook or count is lost. Services change
    nothing themselves; they check what they need and wait until this has been run. `platelane up` runs it by itself.

    Prints what was made, changed or left. The exit code is 0 if everything is in place, and otherwise 1.
    """
    settings = nats_settings()
    changes = asyncio.run(_apply(settings, force, prune, patience))
    for change in changes:
        details = f": {', '.join(change.details)}" if change.details else ""
        print(f"{change.action:<8} {change.what}{details}")
    print(_summary(settings, changes))


@app.command()
def check(patience: Patience = 5.0) -> None:
    """Say what is missing or of another version, and change nothing; the exit code is then 1."""
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
        f"{settings.nats_replicas} copies of what is kept, {settings.work_replicas} of work, "
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
