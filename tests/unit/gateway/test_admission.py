"""Who gets a place for a photograph, how many a large one takes, and when they are free again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from gateway.admission import Admission
from gateway.concurrency_limit import Timing
from gateway.intake import Photograph
from platelane.errors import DeadlineExceeded, Overloaded
from platelane.pb.v1 import domain_pb2


def of_pixels(number: int) -> Photograph:
    return Photograph(b"picture", domain_pb2.Options(), "camera", "a.jpg", 1, pixels=number)


SMALL, LARGE = of_pixels(6_000_000), of_pixels(49_000_000)
"""One place, and nine of 64."""


@pytest.fixture
def admission() -> Admission:
    return Admission(64, 9.0)


def free(admission: Admission) -> int:
    """How many small photographs could still come in."""
    with ExitStack() as places:
        for number in range(100):
            try:
                places.enter_context(admission.admitted("", SMALL))
            except Overloaded:
                return number
    raise AssertionError("there is no limit")


def test_one_client_cannot_take_all_places_with_a_few_large_photographs(admission: Admission) -> None:
    with ExitStack() as places:
        for _ in range(5):
            places.enter_context(admission.admitted("one", LARGE))
        with pytest.raises(Overloaded, match="this client"):
            places.enter_context(admission.admitted("one", LARGE))
        for _ in range(3):  # its share is 48
            places.enter_context(admission.admitted("one", SMALL))
        with pytest.raises(Overloaded, match="this client"):
            places.enter_context(admission.admitted("one", SMALL))
        for _ in range(16):
            places.enter_context(admission.admitted("two", SMALL))
        with pytest.raises(Overloaded, match="as it can"):
            places.enter_context(admission.admitted("three", SMALL))
    assert free(admission) == 64


def test_one_large_photograph_is_let_in_though_it_takes_more_places_than_there_are(admission: Admission) -> None:
    admission._limit.too_late(64, 1_000.0)
    assert admission._limit.places == 4
    with admission.admitted("one", SMALL), admission.admitted("two", LARGE), pytest.raises(Overloaded):
        admission.check("three")


@pytest.mark.parametrize("learn", [Timing.answered, Timing.too_late])
async def test_a_job_whose_caller_has_left_keeps_its_places_until_it_ends(
    admission: Admission, learn: Callable[[Timing], None]
) -> None:
    with admission.admitted("one", LARGE):
        admission.leave("job", "one", admission.timing(LARGE), time.time() + 60)
    assert free(admission) == 64 - 9
    assert not admission.end("another job", learn)
    assert free(admission) == 64 - 9
    assert admission.end("job", learn)
    assert free(admission) == 64
    assert not admission.end("job", learn)
    assert free(admission) == 64


async def test_it_keeps_them_no_longer_than_until_its_deadline(admission: Admission) -> None:
    admission.leave("job", "one", admission.timing(SMALL), time.time() - 1)
    assert free(admission) == 63
    async with asyncio.timeout(60):
        while free(admission) < 64:
            await asyncio.sleep(0)


async def test_work_that_takes_too_long_goes_on_without_its_caller_and_keeps_a_place(admission: Admission) -> None:
    released, done = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await released.wait()
        done.set()

    with pytest.raises(DeadlineExceeded):
        await admission.finish(work(), 0.05)
    assert free(admission) == 63
    released.set()
    await done.wait()
    await asyncio.sleep(0)  # until the task has told that it is done
    assert free(admission) == 64
