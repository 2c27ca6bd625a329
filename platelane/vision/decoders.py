"""Decodes pictures in separate processes, so that no picture can crash or block the service."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import structlog

from platelane.errors import BadImage, DeadlineExceeded, EngineUnavailable
from platelane.vision import header

if TYPE_CHECKING:  # most gateways decode nothing, and do not load NumPy
    import numpy as np
    from numpy.typing import NDArray

log = structlog.get_logger(__name__)

CPU_SECONDS: Final = 5.0
"""Processor time for one picture: the slowest legitimate ones of the largest default size take about two."""
REQUEST: Final = struct.Struct("<Q")
"""A request to a decoder process: the number of bytes of the encoded picture, which follow."""
ANSWER: Final = struct.Struct("<III?")
"""The answer: the length of the error that follows, or 0; height, width, truncated. If the pixels are in other memory
than those of the previous picture, its descriptor is sent along."""
LONGEST_ERROR: Final = 1_024


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture as UINT8, shape (height, width, 3), BGR.

    `truncated`: the file is cut off or damaged, and a part of the picture is missing.
    """

    image: NDArray[np.uint8]
    truncated: bool


Decode = Callable[[bytes, float], Decoded]
"""Decodes a picture before a time in Unix seconds; `Decoders.decode` does."""

_START_SECONDS: Final = 30.0
_LARGE: Final = 16_000_000
"""Pictures of more pixels are decoded one at a time: one of 50 million pixels may take 600 MB."""
_TOO_LATE: Final = "The image could not be decoded in time."
_ATTEMPTS: Final = 2
"""If memory is short, the first process may have been killed because of another process."""
_KEPT: Final = 4
"""The most idle decoders that are kept."""


class Decoders:
    """Decoder processes, one for each picture that is being decoded or still in use. Thread-safe.

    The processes end with this one, however it ends.
    """

    def __init__(self) -> None:
        self._idle: deque[_Decoder] = deque()
        self._fork_server: _ForkServer | None = None
        self._starting = threading.Lock()
        self._large = threading.Lock()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start a decoder, so that the first picture need not wait half a second for it.

        Raises:
            EngineUnavailable: processes cannot be started.
        """
        self._give_back(self._take())

    def close(self) -> None:
        """End all idle processes; others end when their picture is no longer in use."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()
        if self._fork_server is not None:
            self._fork_server.close()

    def decode(self, data: bytes, deadline: float) -> Decoded:
        """As `decoding.decode`, in another process, which is killed at `deadline` (Unix seconds).

        The pixels are in memory shared with that process, which gets its next picture once no array refers to them.

        Raises:
            BadImage: the data is not a picture, or takes too much time or memory to decode.
            DeadlineExceeded: the deadline has passed.
            EngineUnavailable: processes cannot be started.
        """
        if header.read(data).pixels <= _LARGE:
            return self._decode(data, deadline)
        if not self._large.acquire(timeout=max(0.0, deadline - time.time())):
            raise DeadlineExceeded(_TOO_LATE)
        try:
            return self._decode(data, deadline)
        finally:
            self._large.release()

    def _decode(self, data: bytes, deadline: float) -> Decoded:
        for _ in range(_ATTEMPTS):
            decoder, started = self._take(), time.monotonic()
            try:
                answer = decoder.ask(data, deadline)
                break
            except TimeoutError as error:
                decoder.kill()
                raise DeadlineExceeded(_TOO_LATE) from error
            except OSError as error:
                decoder.kill()
                slow = time.monotonic() - started >= CPU_SECONDS
                log.warning("decoder_died", bytes=len(data), slow=slow)
                if slow:
                    raise BadImage("The image takes too long to decode.") from error
            except BaseException:
                decoder.kill()
                raise
        else:
            raise BadImage("The image cannot be decoded.")
        if answer.error:
            self._give_back(decoder)
            raise BadImage(answer.error)
        pixels = decoder.pixels(answer.height, answer.width, self._give_back)
        return Decoded(pixels, answer.truncated)

    def _take(self) -> _Decoder:
        with contextlib.suppress(IndexError):
            while not (decoder := self._idle.pop()).alive:
                decoder.close()
            return decoder
        try:
            with self._starting:
                if self._fork_server is not None and not self._fork_server.alive:
                    self._fork_server.close()
                    self._fork_server = None
                self._fork_server = self._fork_server or _ForkServer()
                return self._fork_server.decoder()
        except OSError as error:
            raise EngineUnavailable(f"The picture cannot be decoded now: {error}") from error

    def _give_back(self, decoder: _Decoder) -> None:
        """Called by the garbage collector at any point in any thread, so it must not take a lock."""
        if self._closed or len(self._idle) >= _KEPT:
            decoder.close()
        else:
            self._idle.append(decoder)


class _ForkServer:
    """The process that forks decoders."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            arguments = [sys.executable, "-m", "platelane.vision.decoder_process", str(theirs.fileno())]
            self._process = subprocess.Popen(arguments, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def decoder(self) -> _Decoder:
        """A new decoder process. Raises OSError."""
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._control, [b"\0"], [theirs.fileno()])
        try:
            ours.settimeout(_START_SECONDS)
            _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
            if not descriptors:
                raise OSError("a decoder process did not start")
        except BaseException:
            ours.close()
            raise
        return _Decoder(ours, descriptors[0])

    def close(self) -> None:
        self._control.close()
        self._process.kill()
        self._process.wait()


@dataclass(frozen=True, slots=True)
class _Answer:
    error: str
    height: int
    width: int
    truncated: bool


class _Decoder:
    """One process, which decodes one picture at a time."""

    def __init__(self, connection: socket.socket, process: int) -> None:
        self._connection = connection
        self._process = process
        self._memory = mmap.mmap(-1, 1)

    @property
    def alive(self) -> bool:
        """Whether an idle process is still running."""
        self._connection.settimeout(0)
        try:
            return bool(self._connection.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def ask(self, data: bytes, deadline: float) -> _Answer:
        """Have a picture decoded.

        Raises:
            TimeoutError: the deadline has passed, and the process is still busy.
            OSError: the process has ended.
        """
        self._connection.settimeout(max(0.001, deadline - time.time()))
        self._connection.sendall(REQUEST.pack(len(data)))
        self._connection.sendall(data)
        answer, descriptors, _, _ = socket.recv_fds(self._connection, ANSWER.size + LONGEST_ERROR, 1)
        for shared in descriptors:
            self._memory = mmap.mmap(shared, 0)
            os.close(shared)
        if len(answer) < ANSWER.size:
            raise ConnectionResetError("the decoder process has ended")
        size, height, width, truncated = ANSWER.unpack_from(answer)
        return _Answer(answer[ANSWER.size : ANSWER.size + size].decode(), height, width, truncated)

    def pixels(self, height: int, width: int, released: Callable[[_Decoder], None]) -> NDArray[np.uint8]:
        """The decoded pixels in shared memory; `released` is called once no array refers to them."""
        import numpy as np

        exporter = (ctypes.c_uint8 * (height * width * 3)).from_buffer(self._memory)
        weakref.finalize(exporter, released, self).atexit = False
        return np.frombuffer(memoryview(exporter), np.uint8).reshape(height, width, 3)

    def kill(self) -> None:
        """Kill the process."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process, signal.SIGKILL)
        self.close()

    def close(self) -> None:
        self._connection.close()
        os.close(self._process)
