"""Starts services by forking them from one process that has imported what they need.

This is the supervisor's end; `platelane.local.fork_server_process` is the process. If it dies, all services that it
forked die too, and the next start of one of them starts it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, Protocol, Self

from platelane.errors import CannotStart
from platelane.local.parent_death import die_with

LONGEST_MESSAGE: Final = 1 << 17
"""Bytes; most of an order is its environment."""

PATIENCE: Final = 60.0
"""Seconds for a service to start, importing all libraries included."""


@dataclass(frozen=True, slots=True)
class Order:
    """A service to start; `environment` is added to the fork server's own."""

    name: str
    package: str
    environment: Mapping[str, str]

    def encoded(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decoded(cls, data: bytes) -> Self:
        return cls(**json.loads(data))


@dataclass(frozen=True, slots=True)
class Report:
    """A service has started (`exit_code` is None) or ended (`exit_code` as from `os.waitstatus_to_exitcode`)."""

    pid: int
    exit_code: int | None = None

    def encoded(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decoded(cls, data: bytes) -> Self:
        return cls(**json.loads(data))


class Child(Protocol):
    """A running program, as the supervisor handles it; `asyncio.subprocess.Process` is one."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    async def wait(self) -> int: ...
    def terminate(self) -> None: ...


class ForkedChild:
    """A service that was forked."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def returncode(self) -> int | None:
        """Exit code, or minus the signal that ended it; None while it runs."""
        return self._ended.result() if self._ended.done() else None

    async def wait(self) -> int:
        """Its `returncode`, once it has ended."""
        return await asyncio.shield(self._ended)

    def terminate(self) -> None:
        """Ask it to end."""
        if self.returncode is None:
            os.kill(self.pid, signal.SIGTERM)

    def end(self, code: int) -> None:
        """Note that it has ended."""
        if not self._ended.done():
            self._ended.set_result(code)


class ForkServer:
    """Starts its process on first use, and again after it has died."""

    def __init__(self, packages: Sequence[str], log: Path, patience: float = PATIENCE) -> None:
        """`packages`: those whose `__main__` can be forked. `patience`: seconds to wait for a service to start."""
        self._packages = packages
        self._patience = patience
        self._log = log
        self._ordering = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._control: socket.socket
        self._listening: asyncio.Task[None]
        self._ordered: asyncio.Future[ForkedChild] | None = None
        self._children: dict[int, ForkedChild] = {}

    @property
    def pid(self) -> int | None:
        """The process id; None if there is no process."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start the process if there is none. Orders wait until it has finished importing."""
        if self._process:
            return
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.setblocking(False)
        with theirs, self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "platelane.local.fork_server_process", str(theirs.fileno())),
                *self._packages,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
                preexec_fn=partial(die_with, os.getpid()),
            )
        self._listening = asyncio.create_task(self._listen(self._process))

    async def fork(self, order: Order, log: BinaryIO) -> ForkedChild:
        """Start a service whose output goes to `log`.

        Raises:
            CannotStart: the fork server ended first, or did not answer in time.
            OSError: the fork server cannot be started, or the order cannot be sent.
        """
        async with self._ordering:
            await self.start()
            self._ordered = asyncio.get_running_loop().create_future()
            with contextlib.suppress(ConnectionError):  # it has just ended, as `_listen` will notice
                socket.send_fds(self._control, [order.encoded()], [log.fileno()])
            try:
                async with asyncio.timeout(self._patience):
                    return await self._ordered
            except TimeoutError:
                await self.stop()  # so that a late start is not taken for the next one
                raise CannotStart(
                    f"The fork server did not start the service within {self._patience:.0f} s; its log is {self._log}."
                ) from None

    async def stop(self) -> None:
        """Kill the process, and with it every service that is still running."""
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._listening

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Handle the reports of the process until it ends."""
        loop = asyncio.get_running_loop()
        with self._control, contextlib.suppress(OSError):
            while data := await loop.sock_recv(self._control, LONGEST_MESSAGE):
                self._handle_report(Report.decoded(data))
        await process.wait()
        self._process = None
        for child in self._children.values():
            child.end(-signal.SIGKILL)  # by the kernel: see `parent_death`
        self._children.clear()
        if self._ordered and not self._ordered.done():
            self._ordered.set_exception(CannotStart(f"The fork server ended; its log is {self._log}."))

    def _handle_report(self, report: Report) -> None:
        child = self._children.get(report.pid)
        if child is None:  # orders are given one at a time, so it is the one ordered last
            child = self._children[report.pid] = ForkedChild(report.pid)
            if self._ordered and not self._ordered.done():
                self._ordered.set_result(child)
        if report.exit_code is not None:
            del self._children[report.pid]
            child.end(report.exit_code)
