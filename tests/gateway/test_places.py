"""Who gets a place for a photograph, and how many a large one takes."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from gateway.intake import Photograph
from gateway.jobs import JobClient
from platelane.errors import Overloaded
from platelane.pb.v1 import domain_pb2


def of_pixels(number: int) -> Photograph:
    return Photograph(b"picture", domain_pb2.Options(), "camera", "a.jpg", 1, pixels=number)


SMALL, LARGE = of_pixels(6_000_000), of_pixels(49_000_000)
"""One place, and nine of 64."""


async def test_one_client_cannot_take_all_places_with_a_few_large_photographs(jobs: JobClient) -> None:
    with ExitStack() as places:
        for _ in range(5):
            places.enter_context(jobs.admitted("one", LARGE))
        with pytest.raises(Overloaded, match="this client"):
            places.enter_context(jobs.admitted("one", LARGE))
        for _ in range(3):  # its share is 48
            places.enter_context(jobs.admitted("one", SMALL))
        with pytest.raises(Overloaded, match="this client"):
            places.enter_context(jobs.admitted("one", SMALL))
        for _ in range(16):
            places.enter_context(jobs.admitted("two", SMALL))
        with pytest.raises(Overloaded, match="as it can"):
            places.enter_context(jobs.admitted("three", SMALL))
    with ExitStack() as places:
        for _ in range(64):
            places.enter_context(jobs.admitted("", SMALL))


async def test_one_large_photograph_is_let_in_though_it_takes_more_places_than_there_are(jobs: JobClient) -> None:
    jobs._limit.too_late(64, 1_000.0)
    assert jobs._limit.places == 4
    with jobs.admitted("one", SMALL), jobs.admitted("two", LARGE), pytest.raises(Overloaded):
        jobs.check_places("three")
