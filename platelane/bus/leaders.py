"""Chooses which server of a cluster should lead which stream, so that the work is spread evenly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from platelane.bus import topology


@dataclass(frozen=True, slots=True)
class Place:
    """The server that leads a stream, and all servers that could."""

    leader: str
    servers: frozenset[str]


def spread(places: Mapping[str, Place]) -> dict[str, str]:
    """The leader that each stream should have: different ones for the partitions of a stream, with few moves.

    Streams that are already spread evenly keep their leaders.
    """
    led: Counter[str] = Counter()
    led_of: Counter[tuple[str, str]] = Counter()
    chosen: dict[str, str] = {}
    for stream, place in places.items():
        whole = topology.undivided(stream)

        def cost(server: str, whole: str = whole, leader: str = place.leader) -> tuple[int, int, bool, str]:
            return led_of[whole, server], led[server], server != leader, server

        server = chosen[stream] = min(place.servers, key=cost)
        led[server] += 1
        led_of[whole, server] += 1
    return chosen
