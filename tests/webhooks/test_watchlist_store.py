"""Watch-lists, as they are stored in NATS."""

from __future__ import annotations

import asyncio

import pytest

from platelane.bus import Bus
from platelane.errors import BadRequest
from platelane.webhooks import watchlists
from platelane.webhooks.watchlists import Watchlist, WatchlistSettings, WatchlistStore


async def test_requests_that_come_at_once_do_not_pass_the_limit_together(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchlists, "MOST_LISTS", 3)
    store = WatchlistStore(bus)
    await store.start()
    wanted = (store.create("me", WatchlistSettings(name=str(number))) for number in range(9))
    outcomes = await asyncio.gather(*wanted, return_exceptions=True)
    assert [type(each) for each in outcomes] == 3 * [Watchlist] + 6 * [BadRequest]
    assert len(store.all("me")) == 3
