"""The processes that decode pictures from outside: `python -m platelane.vision.decoder_process FD`.

The program itself decodes nothing. It imports everything, and forks a decoder for each connection that it receives over
the socket FD, so a decoder that ended is replaced within milliseconds. A decoder writes the pixels to memory that it
shares with its client and reuses for the next picture, because fresh pages cost as much as decoding. Its memory is
limited according to the size in the picture's header, its processor time by `CPU_SECONDS`. If memory runs out, the
kernel kills it before other processes.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from platelane.errors import BadImage
from platelane.runtime import memory
from platelane.vision import decoding, header
from platelane.vision.crops import Image
from platelane.vision.decoders import ANSWER, CPU_SECONDS, LONGEST_ERROR, REQUEST

ENOUGH_MEMORY: Final = 96 << 20
BYTES_A_PIXEL: Final = 32
"""The most memory that decoding needs: progressive JPEG takes 15, HEIC and floating-point TIFF twice that."""
KEPT_PIXELS: Final = 48 << 20
"""Bytes of shared memory that are kept for the next picture: 16 million pixels."""


def main() -> None:
    """Fork decoders until the socket is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for the parent
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    cv2.setNumThreads(1)
    memory.keep()
    with socket.socket(fileno=int(sys.argv[1])) as control:
        while True:
            order, descriptors, _, _ = socket.recv_fds(control, 1, 1)
            if not order:
                return
            if os.fork() == 0:
                control.close()
                _serve(socket.socket(fileno=descriptors[0]))
                os._exit(0)
            os.close(descriptors[0])


def _serve(connection: socket.socket) -> None:
    """Decode pictures until the connection is closed."""
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), sys.stderr.fileno())  # libraries print warnings about files there
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    process = os.pidfd_open(os.getpid())
    socket.send_fds(connection, [b"\0"], [process])
    os.close(process)
    shared = _Shared()
    while size := _received(connection, REQUEST.size):
        _answer(connection, bytes(_received(connection, *REQUEST.unpack(size))), shared)


class _Shared:
    """The shared memory for pixels."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 1)

    def put(self, image: Image) -> int | None:
        """Copy a picture there; returns the descriptor of the memory if it is new, for the caller to close."""
        size, room, descriptor = image.nbytes, len(self._memory), None
        if size > room or size <= KEPT_PIXELS < room:
            descriptor = os.memfd_create("picture", os.MFD_CLOEXEC)
            os.ftruncate(descriptor, size)
            self._memory = mmap.mmap(descriptor, size)
        np.copyto(np.frombuffer(self._memory, np.uint8, size).reshape(image.shape), image)
        return descriptor


def _received(connection: socket.socket, size: int) -> bytearray:
    """`size` bytes, or none if the connection is closed."""
    data = bytearray(size)
    view, got = memoryview(data), 0
    while got < size:
        read = connection.recv_into(view[got:])
        if not read:
            return bytearray()
        got += read
    return data


def _answer(connection: socket.socket, data: bytes, shared: _Shared) -> None:
    try:
        with _limited(ENOUGH_MEMORY + 2 * len(data) + BYTES_A_PIXEL * header.read(data).pixels):
            decoded = decoding.decode(data)
    except BadImage as error:
        text = error.detail.encode()[:LONGEST_ERROR]
        connection.sendall(ANSWER.pack(len(text), 0, 0, False) + text)
        return
    descriptor = shared.put(decoded.image)
    answer = ANSWER.pack(0, *decoded.image.shape[:2], decoded.truncated)
    if descriptor is None:
        connection.sendall(answer)
    else:
        socket.send_fds(connection, [answer], [descriptor])
        os.close(descriptor)


@contextlib.contextmanager
def _limited(bytes_more: int) -> Iterator[None]:
    """Limits the address space to `bytes_more` than now, and the time to `CPU_SECONDS`, after which it is killed."""
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (taken + bytes_more, hard))
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


if __name__ == "__main__":
    main()
