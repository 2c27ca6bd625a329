"""Decoding in separate processes: no picture can harm a service."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image as Pillow

from platelane.errors import BadImage, DeadlineExceeded, PlatelaneError
from platelane.vision import decoding, header
from platelane.vision.decoders import Decoders
from tests.pictures import FORMATS, encoded, greedy, noise, scene

LIMIT = 50_000_000


def soon() -> float:
    return time.time() + 60


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    with Decoders() as decoders:
        decoders.start()
        yield decoders


def processes() -> list[psutil.Process]:
    """The processes that decode, without the one that forks them."""
    return [psutil.Process(each) for nursery in nurseries() for each in children(nursery)]


def nurseries() -> list[int]:
    """The processes that fork those that decode: servers of other tests are children of this process as well."""
    return [
        child for child in children(os.getpid()) if b"decoder_process" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


def children(pid: int) -> list[int]:
    """By what the kernel keeps for each thread, which is quicker than a look at all processes."""
    lists = [task / "children" for task in Path(f"/proc/{pid}/task").iterdir()]
    return [int(child) for each in lists for child in each.read_text().split()]


@pytest.mark.parametrize("format", FORMATS)
def test_pictures_come_back_as_they_are_decoded(decoders: Decoders, format: str) -> None:
    data = encoded(noise(), format)
    decoded = decoders.decode(data, soon())
    assert not decoded.truncated
    np.testing.assert_array_equal(decoded.image, decoding.decode(data).image)
    assert not encoded(noise(), "JPEG").endswith(b"\0")
    assert decoders.decode(encoded(noise(), "JPEG")[:-2], soon()).truncated


def test_pixels_are_not_written_over_while_they_are_used(decoders: Decoders) -> None:
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (90, 90, 90), (7, 7, 7), (0, 90, 0)]
    pictures = [encoded(Pillow.new("RGB", (320, 200), colour), "PNG") for colour in colours]
    shown = [decoders.decode(picture, soon()).image[10:20] for picture in pictures]
    assert [tuple(image[5, 5, ::-1]) for image in shown] == colours
    del shown
    gc.collect()
    again = decoders.decode(pictures[0], soon()).image
    assert tuple(again[5, 5, ::-1]) == colours[0]
    assert len(processes()) <= 5, "what was released is used again, and few stay idle"


@pytest.mark.parametrize("size", [(40, 30), (6_000, 4_000), (50, 40), (4_500, 4_000), (640, 480)])
def test_pictures_of_any_size_follow_each_other(decoders: Decoders, size: tuple[int, int]) -> None:
    picture = Pillow.new("RGB", size, (10, 60, 120))
    image = decoders.decode(encoded(picture, "JPEG"), soon()).image
    assert image.shape == (size[1], size[0], 3)
    assert abs(image[-1, -1].astype(int) - (120, 60, 10)).max() < 4


def test_an_error_is_told_and_the_process_goes_on(decoders: Decoders) -> None:
    before = {each.pid for each in processes()}
    with pytest.raises(BadImage, match="broken"):
        decoders.decode(encoded(scene(), "GIF")[:40], soon())
    assert {each.pid for each in processes()} == before


@contextmanager
def ended_by(number: signal.Signals, times: int = 1_000_000) -> Iterator[None]:
    """Sends a signal to processes that are decoding, so many times."""
    over = threading.Event()

    def send() -> None:
        sent = 0
        while sent < times and not over.wait(0.001):
            with suppress(OSError):  # it has ended meanwhile
                for pid in (each for nursery in nurseries() for each in children(nursery)):
                    state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
                    if state == "R" and int(fields[10]) > 3:  # hundredths of a second in its own code
                        os.kill(pid, number)
                        sent += 1

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


SLOW = encoded(noise(2_400, 1_600), "PNG", compress_level=1)


def test_a_process_that_dies_once_is_replaced(decoders: Decoders) -> None:
    with ended_by(signal.SIGKILL, times=1):
        assert decoders.decode(SLOW, soon()).image.shape == (1_600, 2_400, 3)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGPROF])
def test_a_process_that_dies_twice_is_the_pictures_fault(decoders: Decoders, number: signal.Signals) -> None:
    """SIGPROF is what comes when the processor time of a picture is used up."""
    with ended_by(number), pytest.raises(BadImage, match="cannot be decoded"):
        decoders.decode(SLOW, soon())
    assert decoders.decode(encoded(scene(), "PNG"), soon()).image.shape == (32, 64, 3)


def test_a_process_that_died_while_idle_is_nobodys_fault(decoders: Decoders) -> None:
    idle = processes()
    for each in idle:
        each.kill()
    psutil.wait_procs(idle, timeout=10)
    assert decoders.decode(encoded(scene(), "PNG"), soon()).image.shape == (32, 64, 3)


def test_the_process_that_forks_is_replaced_as_well(decoders: Decoders) -> None:
    held = [decoders.decode(encoded(scene(), "PNG"), soon()) for _ in range(4)]
    for nursery in map(psutil.Process, nurseries()):
        nursery.kill()
        nursery.wait()
    held += [decoders.decode(encoded(scene(), "PNG"), soon()) for _ in range(3)]
    assert all(each.image.shape == (32, 64, 3) for each in held)


def test_decoding_ends_at_the_deadline(decoders: Decoders) -> None:
    data = encoded(Pillow.new("RGB", (7_000, 7_000)), "PNG")
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        decoders.decode(data, time.time() + 0.05)
    assert time.monotonic() - started < 5  # on a machine of any speed


def test_nothing_is_left_once_they_are_closed() -> None:
    before = set(psutil.Process().children(recursive=True))
    with Decoders() as decoders:
        image = decoders.decode(encoded(scene(), "PNG"), soon()).image
        started = set(psutil.Process().children(recursive=True)) - before
        assert len(started) == 2
    assert image[16, 8].tolist() == [0, 0, 220]
    del image
    gc.collect()
    _, alive = psutil.wait_procs(started, timeout=10)
    assert not alive


def test_no_length_count_or_size_that_a_file_claims_takes_memory_or_time(decoders: Decoders) -> None:
    """Formats times tricks: what each takes at most, in the process that decodes."""
    table = []
    for name, data in greedy():
        for each in processes():
            Path(f"/proc/{each.pid}/clear_refs").write_text("5")  # the peak begins anew
        with suppress(PlatelaneError):
            header.probe(data, LIMIT)
            decoders.decode(data, soon())
        for each in processes():
            status = Path(f"/proc/{each.pid}/status").read_text()
            peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
            table.append((peak, name))
    table.sort(reverse=True)
    assert table[0][0] < 200, table[:10]
