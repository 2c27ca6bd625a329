"""Starts the programs of a plan, keeps them running, and stops them in order."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import httpx
import structlog

from platelane.errors import CannotStart
from platelane.local import state
from platelane.local.fork_server import ForkServer
from platelane.local.plan import Plan
from platelane.local.process import Process
from platelane.reasons import reason

log = structlog.get_logger(__name__)

_FIRST_DELAY = 0.2
_LONGEST_DELAY = 30.0
_SETTLED_SECONDS = 60.0  # a program that ran this long has earned a quick restart again
_ATTEMPTS = 8  # in about 50 seconds
_FIRST_ATTEMPTS = 3
_WATCH_SECONDS = 2.0
_UNHEALTHY = 3  # times in a row


class Listener(Protocol):
    """Receives events."""

    def ready(self, process: Process, seconds: float) -> None: ...
    def died(self, process: Process, how: str, delay: float) -> None: ...
    def back(self, process: Process, seconds: float) -> None: ...
    def unhealthy(self, process: Process, problem: str) -> None: ...


class Supervisor:
    """One running system. Call `start`, then `stop`, even if the start was interrupted."""

    def __init__(self, plan: Plan, listener: Listener) -> None:
        self._plan = plan
        self._listener = listener
        self._processes: dict[str, Process] = {}
        self._keepers: list[asyncio.Task[None]] = []
        # Connections are not kept alive, because Triton waits for open ones when it exits.
        self._client = httpx.AsyncClient(trust_env=False, timeout=2.0, limits=httpx.Limits(max_keepalive_connections=0))
        self._fork_server: ForkServer | None = None
        self._ready = False
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def starting(self) -> list[str]:
        """Names of all programs, in the order in which they start."""
        return [program.name for stage in self._plan.starts for program in stage]

    async def start(self) -> None:
        """Returns once every program is ready; from then on, each is restarted when it dies (see `failed`).

        Raises CannotStart if one does not start.
        """
        self._plan.logs.mkdir(exist_ok=True)
        if packages := sorted({program.package for stage in self._plan.starts for program in stage} - {""}):
            self._fork_server = ForkServer(packages, self._fresh_log("fork-server"))
            await self._fork_server.start()  # it imports while the first stage starts
        for stage in self._plan.starts:
            processes = [Process(program, self._fresh_log(program.name), self._fork_server) for program in stage]
            self._processes.update({process.name: process for process in processes})
            try:
                async with asyncio.TaskGroup() as group:
                    for process in processes:
                        group.create_task(self._first_start(process))
            except ExceptionGroup as errors:
                raise errors.exceptions[0] from None
        for process in self._processes.values():
            self._keepers.append(asyncio.create_task(self._keep(process)))
            if restart_helps := process.program.restart_helps:
                self._keepers.append(asyncio.create_task(self._watch(process, restart_helps)))

    async def failed(self) -> None:
        """Waits, usually forever. Raises CannotStart if a program keeps dying."""
        await self._failed

    async def _first_start(self, process: Process) -> None:
        """Starts a program, and again if it crashes; one that exits with a code fails the start."""
        for attempt in range(_FIRST_ATTEMPTS):
            await process.start()
            self._write_state()
            try:
                seconds = await process.ready(self._client)
            except CannotStart:
                if attempt + 1 == _FIRST_ATTEMPTS or not process.has_crashed:
                    raise
                self._listener.died(process, await process.ended(), _FIRST_DELAY)
                process.kill()  # what it may have left behind
                await asyncio.sleep(_FIRST_DELAY)
            else:
                self._listener.ready(process, seconds)
                return

    def _fresh_log(self, name: str) -> Path:
        log = self._plan.logs / f"{name}.log"
        if log.exists():
            log.replace(log.with_suffix(".previous.log"))
        return log

    def mark_ready(self) -> None:
        """Marks the system as ready in the state file."""
        self._ready = True
        self._write_state()

    async def _keep(self, process: Process) -> None:
        """Restarts a program whenever it dies, after a delay that grows, up to a limit, while it keeps dying."""
        delay, failures, problem = _FIRST_DELAY, 0, ""
        while True:
            how = await process.ended()
            if process.is_ready and time.monotonic() - process.started > _SETTLED_SECONDS:
                delay, failures = _FIRST_DELAY, 0
            failures += not (process.is_ready and process.was_killed)
            process.kill()  # what it may have left behind
            self._write_state()
            if failures == _ATTEMPTS:
                self._give_up(process, problem or f"{process.name} {how}.\n{process.log_tail()}")
                return
            with contextlib.suppress(OSError):  # programs are kept running even if the event cannot be printed
                self._listener.died(process, how, delay)
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LONGEST_DELAY)
            try:
                await process.start()
                self._write_state()
                seconds = await process.ready(self._client)
            except (CannotStart, OSError) as error:  # a full disk, for one
                problem = str(error)
                process.kill()  # in case it hangs; `ended` then says how it ended
            else:
                problem = ""
                with contextlib.suppress(OSError):
                    self._listener.back(process, seconds)

    def _give_up(self, process: Process, problem: str) -> None:
        if not self._failed.done():
            often = f"This happened {_ATTEMPTS} times in a row. The full log is in {process.log}"
            self._failed.set_exception(CannotStart(f"{problem}\n{often}"))

    async def _watch(self, process: Process, restart_helps: Callable[[], bool]) -> None:
        """Kills a program that keeps reporting that it cannot work, so that it is restarted: NATS does not recover from
        a full disk by itself."""
        unhealthy = 0
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            problem = await process.unhealthy(self._client) if process.is_ready and process.pid else ""
            unhealthy = unhealthy + 1 if problem else 0
            if unhealthy == _UNHEALTHY:
                with contextlib.suppress(OSError):
                    self._listener.unhealthy(process, problem)
            if unhealthy >= _UNHEALTHY and restart_helps():
                unhealthy = 0
                process.kill()

    async def stop(self) -> None:
        """Stops the programs in the order of the plan; none is left when this returns."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for stage in self._plan.stops:
            await asyncio.gather(*(self._processes[name].stop() for name in stage if name in self._processes))
        if self._fork_server:
            await self._fork_server.stop()
        await self._client.aclose()
        state.forget(self._plan.state_dir)

    def kill(self) -> None:
        """Ends every program at once; `stop` then returns soon."""
        for process in self._processes.values():
            process.kill()

    def _write_state(self) -> None:
        plan = self._plan
        processes = {
            process.name: state.ProcessState(pid=process.pid, log=process.log, ready_url=process.program.ready_url)
            for process in self._processes.values()
        }
        now = state.State(
            pid=os.getpid(),
            url=plan.url,
            grpc_address=plan.grpc_address,
            nats_url=plan.nats_url,
            triton_url=plan.triton_url,
            logs=self._plan.logs,
            ready=self._ready,
            processes=processes,
            fork_server=self._fork_server.pid if self._fork_server else None,
        )
        try:
            state.write(plan.state_dir, now)
        except OSError as error:  # such as a full disk; the system keeps running
            log.warning("state_not_written", error=str(error))


@contextlib.contextmanager
def only_one(state_dir: Path) -> Iterator[None]:
    """Locks the state directory for one supervisor. Raises CannotStart if another one uses it."""
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        lock = (state_dir / "up.lock").open("w")
    except OSError as error:
        raise CannotStart(
            f"The state directory {state_dir} cannot be used: {reason(error)}. Choose another one with --state-dir."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            running = state.read(state_dir)
            where = f" at {running.url} (process {running.pid})" if running else ""
            raise CannotStart(
                f"Platelane already runs with {state_dir}{where}. Use it, or choose another directory with --state-dir."
            ) from None
        yield
