"""`platelane up`: runs the whole system on this machine, in the foreground."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from platelane.cli.client import Client, PhotoReading
from platelane.cli.rows import rows
from platelane.cli.server import READ_PATH
from platelane.cli.table import answer_table
from platelane.errors import CannotStart, NotFound
from platelane.local.plan import Plan
from platelane.local.process import Process
from platelane.local.programs import make_plan
from platelane.local.supervisor import Supervisor, only_one
from platelane.resources import SAMPLE
from platelane.runtime.settings import Settings

_FIRST_ANSWER_SECONDS = 60.0
_TOKEN_NEEDED = 403
_NOT_FOR_THE_SAMPLE = frozenset({_TOKEN_NEEDED, 413, 429})
"""Statuses with which a working server may refuse the sample: it wants a token, a smaller picture or fewer calls."""
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def up(
    settings: Settings,
    scale: Mapping[str, int],
    photo: Path | None,
    console: Console,
    *,
    fixed_port: bool = False,
    elsewhere: bool = False,
) -> None:
    """Starts everything, reads a photo, and serves until Ctrl-C; a second Ctrl-C stops at once.

    With `fixed_port`, fails if the settings' port is taken. `elsewhere` says that other commands use another state
    directory by default. The first photo proves that the system works: `photo`, whose answer is shown, or the sample.
    Raises CannotStart, NotFound.
    """
    if photo and not photo.is_file():
        raise NotFound(f"There is no file {photo}.")
    with only_one(settings.state_dir):
        plan = make_plan(settings, scale, fixed_port=fixed_port)
        supervisor = Supervisor(plan, _Reporter(console))
        interrupted = _interruption(supervisor)
        try:
            serving = asyncio.create_task(_serve(supervisor, plan, settings, photo, console, elsewhere))
            failing = asyncio.create_task(supervisor.failed())
            stopping = asyncio.create_task(interrupted.wait())
            await asyncio.wait((serving, failing, stopping), return_when=asyncio.FIRST_COMPLETED)
            for task in (serving, failing, stopping):
                task.cancel()
            await asyncio.wait((serving, failing, stopping))
            for task in (failing, serving):
                if not task.cancelled():
                    task.result()
        finally:
            started = time.monotonic()
            with contextlib.suppress(OSError):  # the terminal may be gone
                console.print("Stopping ... (Ctrl-C again to stop at once)", style="dim", highlight=False)
            await supervisor.stop()
            console.print(f"Everything is stopped after {time.monotonic() - started:.1f} s.", highlight=False)


def _interruption(supervisor: Supervisor) -> asyncio.Event:
    """An event set by the first signal; every further signal kills what still runs."""
    interrupted = asyncio.Event()

    def on_signal() -> None:
        if interrupted.is_set():
            supervisor.kill()
        interrupted.set()

    for number in _STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    return interrupted


async def _serve(
    supervisor: Supervisor, plan: Plan, settings: Settings, photo: Path | None, console: Console, elsewhere: bool
) -> None:
    """Starts the system, reads the first photo, prints the welcome, then waits for ever."""
    started = time.monotonic()
    for usual, port in plan.moved_ports.items():
        console.print(f"[yellow]Port {usual} is not free; using {port} instead.[/yellow]")
    for notice in plan.notices:
        console.print(notice, style="yellow", markup=False, highlight=False, soft_wrap=True)
    console.print(f"Starting {', '.join(supervisor.starting)}", style="dim")
    with console.status("Starting ..."):
        await supervisor.start()
    with console.status("Reading the first photo ..."):
        token = settings.tokens[0].get_secret_value() if settings.tokens else ""
        first = await _first_answer(plan, photo, token, console)
    supervisor.mark_ready()
    seconds = time.monotonic() - started
    _welcome(plan, settings, first, seconds, shown=photo is not None, elsewhere=elsewhere, console=console)
    await asyncio.Event().wait()


async def _first_answer(plan: Plan, photo: Path | None, token: str, console: Console) -> PhotoReading:
    """The answer that proves that the system works. If the server refuses `photo`, says so and reads the sample.

    The answer has an error if the server works but refuses the sample, such as for lack of a token.
    """
    fields = {"mmc": "true", "camera_id": "platelane-up"}
    reading = PhotoReading(photo or SAMPLE, {}, "no answer")
    async with Client(plan.url, token) as client:
        try:
            async with asyncio.timeout(_FIRST_ANSWER_SECONDS):
                for candidate in filter(None, (photo, SAMPLE)):
                    reading = await client.read(candidate, fields)
                    while reading.error and not reading.unsent and reading.answer.get("status_code", 503) >= 500:
                        await asyncio.sleep(0.2)
                        reading = await client.read(candidate, fields)
                    refused = candidate == SAMPLE and reading.answer.get("status_code") in _NOT_FOR_THE_SAMPLE
                    if not reading.error or refused:
                        return reading
                    console.print(
                        f"{candidate} was not read: {reading.error}", style="red", markup=False, soft_wrap=True
                    )
        except TimeoutError:
            raise CannotStart(
                f"No photo was read within {_FIRST_ANSWER_SECONDS:.0f} s: {reading.error}\n"
                f"The reason is in one of the logs in {plan.logs}."
            ) from None
    raise CannotStart("The server refuses the sample photo.")


def _welcome(
    plan: Plan,
    settings: Settings,
    first: PhotoReading,
    seconds: float,
    *,
    shown: bool,
    elsewhere: bool,
    console: Console,
) -> None:
    server, directory = "", ""
    if elsewhere:  # other commands need to be pointed there
        server, directory = f"--url {plan.url} ", f"PLATELANE_STATE_DIR={shlex.quote(str(plan.state_dir))} "
    if first.error:
        console.print(f"The sample was not read: {first.error}", style="yellow", markup=False, soft_wrap=True)
        if first.answer["status_code"] == _TOKEN_NEEDED and not settings.tokens:
            made = f"Tokens are made by: {directory}{_command()} tokens create NAME"
            console.print(made, markup=False, highlight=False, soft_wrap=True)
    elif shown:
        console.print()
        console.print(answer_table(first))
    else:
        plates = ", ".join(row["plate"].upper() for row in rows(first) if row.get("plate")) or "no plate"
        console.print(f"Read {first.file.name}: [green]{escape(plates)}[/green], {first.answer['processing_time']} ms")
    token = "-H 'Authorization: Token ...' " if settings.profile == "cloud" else ""
    photo = curl_field("upload", os.path.relpath(first.file))
    console.print(
        f"\n[bold green]Platelane is ready[/bold green] after {seconds:.1f} s at [bold]{plan.url}[/bold]\n\n"
        f"  page    {plan.url}/ in a browser\n"
        f"  try     curl -F {escape(photo)} -F mmc=true {token}{plan.url}{READ_PATH}\n"
        f"  or      {_command()} read {server}PHOTO...\n"
        f"{f'  gRPC    {plan.grpc_address}{chr(10)}' if plan.grpc_address else ''}"
        f"  logs    {plan.logs}\n"
        f"  stop    Ctrl-C\n",
        soft_wrap=True,
        highlight=False,
    )


def curl_field(name: str, file: str) -> str:
    """The argument of curl's -F that sends a file, quoted for a shell."""
    if any(mark in file for mark in ';,"\\'):  # special to curl unless quoted
        escaped = file.replace("\\", "\\\\").replace('"', '\\"')
        file = f'"{escaped}"'
    return shlex.quote(f"{name}=@{file}")


def _command() -> str:
    """How to call this program from the current directory."""
    beside = os.path.relpath(Path(sys.executable).with_name("platelane"))
    return "platelane" if shutil.which("platelane") else shlex.quote(beside)


class _Reporter:
    """Prints what the supervisor does."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def ready(self, process: Process, seconds: float) -> None:
        where = process.program.address
        self._say(f"[green]✓[/green] {process.name:<14}{seconds:5.1f} s   pid {process.pid or '-':<8} {where}".rstrip())

    def died(self, process: Process, how: str, delay: float) -> None:
        self._say(
            f"[red]✗ {process.name} {escape(how)}[/red]; restarting it in {delay:.1f} s. "
            f"The last lines of {escape(str(process.log))}:"
        )
        self._console.print(process.log_tail(5), style="dim", markup=False, highlight=False)

    def back(self, process: Process, seconds: float) -> None:
        self._say(f"[green]✓[/green] {process.name} is back after {seconds:.1f} s   pid {process.pid}")

    def unhealthy(self, process: Process, problem: str) -> None:
        self._say(f"[red]✗ {process.name} reports that it cannot work:[/red] {escape(problem)}")
        self._say("  If the disk is full, make room: it is then restarted.")

    def _say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, highlight=False)
