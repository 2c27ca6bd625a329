"""One program that the supervisor runs: starts it, waits for it, stops it, and never leaves it behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

import httpx

from platelane.errors import CannotStart, PlatelaneError
from platelane.local.fork_server import Child, ForkServer, Order
from platelane.local.parent_death import die_with
from platelane.local.plan import Program
from platelane.reasons import reason

_POLL_SECONDS = 0.05
_BY_OTHERS = frozenset({-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT})
_CRASHES = frozenset({-signal.SIGABRT, -signal.SIGBUS, -signal.SIGFPE, -signal.SIGILL, -signal.SIGSEGV})


@dataclass(slots=True)
class Process:
    """A program and the operating system's process that runs it at the moment."""

    program: Program
    log: Path
    fork_server: ForkServer | None = None
    """Where it is forked from, if it can be."""
    started: float = 0.0
    is_ready: bool = False
    _process: Child | None = field(default=None, repr=False)
    _log_start: int = 0

    @property
    def name(self) -> str:
        return self.program.name

    @property
    def pid(self) -> int | None:
        """The process id; None before the first start and after the end."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Starts the program in its own session, so that Ctrl-C only reaches the supervisor."""
        self.started, self.is_ready = time.monotonic(), False
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            try:
                self._process = await self._child(log)
            except OSError as error:
                raise CannotStart(
                    f"{self.name} cannot be started: {self.program.command[0]}: {reason(error)}."
                ) from error

    async def _child(self, log: BinaryIO) -> Child:
        program = self.program
        if program.package and self.fork_server:
            order = Order(program.name, program.package, program.environment)
            return await self.fork_server.fork(order, log)
        return await asyncio.create_subprocess_exec(
            *program.command,
            env={**os.environ, **program.environment},
            cwd=program.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=partial(die_with, os.getpid()),
        )

    async def ready(self, client: httpx.AsyncClient) -> float:
        """Waits until the program can work; returns the seconds since its start.

        Raises CannotStart, with the last log lines, if it ends first or takes longer than `start_seconds`.
        """
        answers = asyncio.create_task(self._answers(client))
        ends = asyncio.create_task(self.ended())
        try:
            await asyncio.wait((answers, ends), timeout=self.program.start_seconds, return_when=asyncio.FIRST_COMPLETED)
            if answers.done() and self.pid:
                await self._prepare(self.pid)
                self.is_ready = True
                return time.monotonic() - self.started
            problem = ends.result() if ends.done() else f"is not ready after {self.program.start_seconds:.0f} s"
            raise CannotStart(f"{self.name} {problem}.\n{self.log_tail()}")
        finally:
            for task in (answers, ends):
                task.cancel()

    async def _prepare(self, pid: int) -> None:
        try:
            await self.program.on_ready(pid)
        except PlatelaneError as error:
            raise CannotStart(f"{self.name} cannot be used: {error.detail}\n{self.log_tail()}") from error

    async def _answers(self, client: httpx.AsyncClient) -> None:
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await client.get(self.program.ready_url)).status_code == 200:
                    return
            await asyncio.sleep(_POLL_SECONDS)

    async def ended(self) -> str:
        """Waits for the end of the process; returns a description of how it ended."""
        if self._process is None:
            return "was not started"
        code = await self._process.wait()
        return f"ended with exit code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"

    @property
    def has_crashed(self) -> bool:
        """Whether it crashed, that is, was ended by a signal such as SIGSEGV."""
        return self._process is not None and self._process.returncode in _CRASHES

    @property
    def was_killed(self) -> bool:
        """Whether it was ended from outside."""
        return self._process is not None and self._process.returncode in _BY_OTHERS

    async def unhealthy(self, client: httpx.AsyncClient) -> str:
        """The problem that a running program reports; empty if it reports none or does not answer."""
        try:
            answer = await client.get(self.program.ready_url)
        except httpx.HTTPError:
            return ""
        return "" if answer.status_code == 200 else answer.text.strip() or f"status {answer.status_code}"

    async def stop(self) -> None:
        """Asks the program to finish, and kills it after `stop_seconds`."""
        if self._process is None:
            return
        if self.pid:
            self._process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), self.program.stop_seconds)
        self.kill()
        await self._process.wait()

    def kill(self) -> None:
        """Kills the program and everything that it has started, and cleans up after it."""
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self.program.on_end()

    def log_tail(self, lines: int = 12) -> str:
        """The last log lines since the latest start, each indented."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(self._log_start, self.log.stat().st_size - 16_384))
                text = log.read().decode(errors="replace")
        except OSError:
            text = "(its log is gone)"
        last = text.splitlines()[-lines:] or ["(its log is empty)"]
        return "\n".join(f"  | {line}" for line in last)
