"""`platelane dead`: jobs and webhook events that were given up because every attempt failed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer
from rich.table import Table

from platelane.bus import Bus
from platelane.bus.dead_store import PAGE, DeadMessage, DeadStore
from platelane.cli.console import console
from platelane.cli.server import nats_settings, quiet
from platelane.errors import BadRequest
from platelane.runtime.settings import Settings

app = typer.Typer(help="List, replay or drop messages that failed too often.", no_args_is_help=True)

T = TypeVar("T")
_PATIENCE: Final = 5.0

Numbers = Annotated[list[int] | None, typer.Argument(metavar="NUMBER", help="Numbers from `platelane dead list`.")]
All = Annotated[bool, typer.Option("--all", help="All letters, or all of --stream.")]
Of = Annotated[str, typer.Option("--stream", help="Only letters of this stream: JOBS, CROPS, PARTS, RESULTS, HOOK_1.")]


@app.callback()
def _only_answers() -> None:
    """Silences the log: a failure is reported once, as the command's error."""
    quiet()


@app.command(name="list")
def list_(
    stream: Of = "",
    start: Annotated[int, typer.Option(min=1, help="Number to start from.")] = 1,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many.")] = PAGE,
) -> None:
    """List dead letters, oldest first."""

    async def work(store: DeadStore) -> list[DeadMessage]:
        return await store.list(stream or "*", start, limit)

    table = Table("Number", "At (UTC)", "Stream", "Job", "Camera", "Bytes", "Reason")
    for letter in _run(work):
        job = letter.context
        row = (f"{letter.number}", f"{letter.at:%Y-%m-%d %H:%M:%S}", letter.stream, job.id, job.camera_id)
        table.add_row(*row, f"{len(letter.data)}", letter.reason)
    console().print(table)


@app.command()
def show(
    number: Annotated[int, typer.Argument(min=1, help="Number from `platelane dead list`.")],
    out: Annotated[Path | None, typer.Option(help="File to write the job's picture to, or else the message.")] = None,
) -> None:
    """Show one dead letter; with --out, write its picture to a file."""
    letter = _run(lambda store: store.get(number))
    job = letter.context
    rows = {
        "Number": letter.number,
        "At": f"{letter.at:%Y-%m-%d %H:%M:%S} UTC",
        "Stream": letter.stream,
        "Subject": letter.subject,
        "Reason": letter.reason,
        "Bytes": len(letter.data),
        "Job": job.id,
        "Camera": job.camera_id,
        "File name": job.filename,
        "Account": job.account,
    }
    for name, value in rows.items():
        if value != "":
            print(f"{name + ':':<11} {value}")
    if out:
        out.write_bytes(letter.body)


@app.command()
def replay(numbers: Numbers = None, all_: All = False, stream: Of = "") -> None:
    """Try jobs and webhook events once more.

    A job gets PLATELANE_ASYNC_DEADLINE seconds; its result goes to webhooks, the event stream and GET /v1/results/{id}.
    """
    settings = nats_settings()
    done = _each(numbers, all_, stream, lambda store, letter: store.replay(letter, settings.async_deadline))
    print(f"Replayed {done}.")


@app.command()
def drop(numbers: Numbers = None, all_: All = False, stream: Of = "") -> None:
    """Delete dead letters."""
    print(f"Dropped {_each(numbers, all_, stream, lambda store, letter: store.drop(letter.number))}.")


def _each(
    numbers: list[int] | None, all_: bool, stream: str, act: Callable[[DeadStore, DeadMessage], Awaitable[None]]
) -> int:
    """Applies `act` to the chosen letters; returns how many there were."""
    if bool(numbers) == all_:
        raise BadRequest("Name the numbers, or give --all.")

    async def work(store: DeadStore) -> int:
        done, start = 0, 1
        for number in numbers or ():
            await act(store, await store.get(number))
            done += 1
        while all_ and (page := await store.list(stream or "*", start)):
            for letter in page:
                await act(store, letter)
                done += 1
            start = page[-1].number + 1
        return done

    return _run(work)


def _run(work: Callable[[DeadStore], Awaitable[T]]) -> T:
    return asyncio.run(_with_store(nats_settings(), work))


async def _with_store(settings: Settings, work: Callable[[DeadStore], Awaitable[T]]) -> T:
    async with _store(settings) as store:
        return await work(store)


@asynccontextmanager
async def _store(settings: Settings) -> AsyncIterator[DeadStore]:
    """Raises EngineUnavailable if NATS cannot be reached."""
    bus = await Bus.connect(settings, "dead", _PATIENCE)
    try:
        yield DeadStore(bus)
    finally:
        await bus.close()
