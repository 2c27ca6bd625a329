"""Memory that is shared with a Triton on the same machine, so that pixels need not go through a socket.

A region of memory is registered with the server once, and holds the input of one call at a time. Its name in /dev/shm
is removed as soon as both sides have mapped it, so nothing remains of it when they end.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import secrets
from pathlib import Path
from typing import Any, Final

import grpc
from tritonclient.grpc import service_pb2

SIZE: Final = 1 << 20
"""Bytes of a region: a view of a whole picture takes 737,280."""
WORTHWHILE: Final = 128 << 10
"""Bytes of an input from which a region saves time."""
REGIONS: Final = 16
"""The most that a process has."""
_FOLDER: Final = Path("/dev/shm")
_PREFIX: Final = "platelane-input-"
_PATIENCE: Final = 1.0


class Region:
    """One region, registered under its name."""

    def __init__(self, name: str, memory: mmap.mmap) -> None:
        self.name = name
        self._memory = memory

    def put(self, content: bytes | memoryview) -> None:
        """Write an input into it, of at most `SIZE` bytes."""
        self._memory[: len(content)] = content

    def refer(self, tensor: Any, size: int) -> None:
        """Make a tensor of a request refer to the first `size` bytes."""
        tensor.parameters["shared_memory_region"].string_param = self.name
        tensor.parameters["shared_memory_byte_size"].int64_param = size


class SharedInputs:
    """The regions of one client; use it within one event loop.

    Every method may raise grpc.aio.AioRpcError, if the server is away or cannot map the memory, and OSError.
    """

    def __init__(self, stub: Any) -> None:
        """`stub`: of Triton's gRPC service."""
        self._stub = stub
        self._idle: list[Region] = []
        self._registered: set[str] = set()

    async def take(self, size: int, timeout: float) -> Region | None:
        """A region for an input of `size` bytes, until `give_back` or `discard`; None if that is not worthwhile, or if
        all of them are in use. To make one may take up to `timeout` seconds."""
        if not WORTHWHILE <= size <= SIZE:
            return None
        if self._idle:
            return self._idle.pop()
        return None if len(self._registered) >= REGIONS else await self._register(timeout)

    def give_back(self, region: Region) -> None:
        """Keep a region for the next call. The server may still read it for a call that was cancelled or came too late,
        whose answer is not used."""
        self._idle.append(region)

    async def discard(self, region: Region) -> None:
        """Give up a region with which a call has failed: a server that was restarted does not know it."""
        self._registered.discard(region.name)
        with contextlib.suppress(grpc.aio.AioRpcError):
            await self._unregister(region.name)

    async def close(self) -> None:
        """Have the server unmap all regions."""
        self._idle.clear()
        for name in self._registered:
            with contextlib.suppress(grpc.aio.AioRpcError):
                await self._unregister(name)
        self._registered.clear()

    async def _register(self, timeout: float) -> Region:
        first, name = not self._registered, f"{_PREFIX}{os.getpid()}-{secrets.token_hex(8)}"
        self._registered.add(name)  # before anything is awaited, so that there are not too many
        path = _FOLDER / name
        try:
            if first:
                await self._unregister_those_of_dead_processes(timeout)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                os.ftruncate(descriptor, SIZE)
                memory = mmap.mmap(descriptor, SIZE)
            finally:
                os.close(descriptor)
            await self._stub.SystemSharedMemoryRegister(
                service_pb2.SystemSharedMemoryRegisterRequest(name=name, key=f"/{name}", byte_size=SIZE),
                timeout=timeout,
            )
        except BaseException:
            self._registered.discard(name)
            raise
        finally:
            path.unlink(missing_ok=True)
        return Region(name, memory)

    async def _unregister_those_of_dead_processes(self, timeout: float) -> None:
        """The server keeps what processes that were killed have registered."""
        request = service_pb2.SystemSharedMemoryStatusRequest()
        answer = await self._stub.SystemSharedMemoryStatus(request, timeout=timeout)
        for name in answer.regions:
            process, _, _ = name.removeprefix(_PREFIX).partition("-")
            if name.startswith(_PREFIX) and not Path("/proc", process).exists():
                with contextlib.suppress(grpc.aio.AioRpcError):
                    await self._unregister(name)

    async def _unregister(self, name: str) -> None:
        request = service_pb2.SystemSharedMemoryUnregisterRequest(name=name)
        await self._stub.SystemSharedMemoryUnregister(request, timeout=_PATIENCE)
