"""How many places one client may take."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

import pytest

from gateway.grpc.open_calls import OpenCalls, Receiving
from platelane.errors import Overloaded


def test_a_client_and_all_together_have_so_many_open_calls() -> None:
    calls = OpenCalls("streams", 2, 4)
    with ExitStack() as opened:
        for client in ("a", "a", "b"):
            opened.enter_context(calls.counted(client))
        with pytest.raises(Overloaded, match=r"This client already has 2 open streams"), calls.counted("a"):
            pass
        opened.enter_context(calls.counted("b"))
        with pytest.raises(Overloaded, match=r"The server has reached its limit of open streams"), calls.counted("c"):
            pass
    with calls.counted("a"), calls.counted("c"):
        pass


def test_few_places_are_shared_too() -> None:
    calls = OpenCalls("streams", 32, 4)
    with ExitStack() as opened:
        for _ in range(3):
            opened.enter_context(calls.counted("a"))
        with pytest.raises(Overloaded, match="already has 3"), calls.counted("a"):
            pass
        opened.enter_context(calls.counted("b"))


async def test_a_silent_client_leaves_places_to_receive_in() -> None:
    receiving, over = Receiving(4), asyncio.Event()
    taken: list[str] = []

    async def call(client: str) -> None:
        async with receiving.place(client):
            taken.append(client)
            await over.wait()

    calls = [asyncio.create_task(call(client)) for client in "aaaaaab"]
    while "b" not in taken:
        await asyncio.sleep(0)
    assert sorted(taken) == ["a", "a", "a", "b"]
    over.set()
    await asyncio.gather(*calls)
    assert len(taken) == 7
