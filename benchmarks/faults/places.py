"""Where faults happen: a system on this machine, on a small disk, or with its own clock."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import psutil

from benchmarks.faults.network import Network, inside, made
from benchmarks.faults.system import System, Up

DISK_BYTES: Final = 1_600_000_000
"""Size of the small disk: enough for `platelane up` with `LITTLE`."""
LITTLE: Final = {"results_bytes": "10000000", "crops_bytes": "10000000", "image_bytes": "10000000", "queue_limit": "64"}
CLOCK: Final = "clock"
"""The file, beside the state directory, that says how many seconds the clock is ahead."""
_SERVERS: Final = 3
_CLOCK_SOURCE: Final = Path(__file__).with_name("clock.c")


class CannotInject(Exception):
    """This machine or user cannot cause the fault; the text says why."""


@dataclass(frozen=True, slots=True)
class Setup:
    """Settings that differ from the defaults, without their prefix, and further options of `up`."""

    settings: Mapping[str, str]
    options: Sequence[str] = ()

    @property
    def environment(self) -> dict[str, str]:
        return {f"PLATELANE_{name}".upper(): value for name, value in self.settings.items()}


Place: TypeAlias = Callable[[Path, Setup], AbstractContextManager[System]]
"""A running system in a folder, ready for requests; raises CannotInject."""


@contextmanager
def plain(folder: Path, setup: Setup) -> Iterator[System]:
    """`platelane up`."""
    with _running(Up(folder / "state", setup.options, setup.environment)) as system:
        yield system


@contextmanager
def small_disk(folder: Path, setup: Setup) -> Iterator[System]:
    """`platelane up` with its state directory on a disk of `DISK_BYTES`."""
    if psutil.virtual_memory().available < 2 * DISK_BYTES:
        raise CannotInject(f"the disk is in memory, of which {2 * DISK_BYTES / 1e9:.1f} GB are not free")
    disk = folder / "state"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(disk)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True)
    except OSError as error:
        raise CannotInject(f"no disk can be mounted: {error}") from error
    if done.returncode:
        raise CannotInject(f"no disk can be mounted: {done.stderr.strip()}")
    try:
        with _running(Up(disk, setup.options, setup.environment)) as system:
            yield system
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@contextmanager
def own_clock(folder: Path, setup: Setup) -> Iterator[System]:
    """`platelane up` whose processes have their own clock, except nats-server, which asks the kernel directly."""
    library = folder / "clock.so"
    try:
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, _CLOCK_SOURCE, "-ldl"], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise CannotInject(f"no clock can be compiled: {error}") from error
    (folder / CLOCK).write_bytes(struct.pack("=q", 0))
    clock = {"LD_PRELOAD": str(library), "PLATELANE_CLOCK": str(folder / CLOCK)}
    with _running(Up(folder / "state", setup.options, setup.environment | clock)) as system:
        yield system


def step_clock(folder: Path, seconds: int) -> None:
    """Move the clock of `own_clock` forward or back."""
    with (folder / CLOCK).open("r+b") as file:
        (ahead,) = struct.unpack("=q", file.read())
        file.seek(0)
        file.write(struct.pack("=q", ahead + seconds))


class Cluster(Up):
    """`platelane up` with three NATS servers in a network of namespaces; use it inside that of the services."""

    def __init__(self, folder: Path, environment: Mapping[str, str], network: Network) -> None:
        super().__init__(folder, network.servers, environment)
        self.network = network

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "benchmarks.faults.cluster_up", str(self.port), str(self.folder)]


@contextmanager
def cluster(folder: Path, setup: Setup) -> Iterator[System]:
    """A system with three NATS servers, each in a network namespace; the block runs in that of the services."""
    with ExitStack() as cleanup:
        try:
            network = cleanup.enter_context(made(_SERVERS))
            cleanup.enter_context(inside(network.services))
        except OSError as error:
            raise CannotInject(f"no network namespaces can be made: {error.strerror or error}") from error
        yield cleanup.enter_context(_running(Cluster(folder / "state", setup.environment, network)))


@contextmanager
def _running(system: Up) -> Iterator[System]:
    try:
        system.start()
        yield system
    finally:
        system.stop()
