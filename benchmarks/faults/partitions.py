"""One NATS server of three is cut off: from everything, or only from the other two."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

from benchmarks.faults.fault import Fault, Scene
from benchmarks.faults.network import Network
from benchmarks.faults.places import Cluster, Setup, cluster
from platelane.bus import Bus, topology
from platelane.runtime.settings import Settings

_SECONDS: Final = 15.0
_COPIES: Final = Setup({"nats_replicas": "3"})
_Change = Callable[[Network, int], None]


async def _partition(cut: _Change, heal: _Change, scene: Scene) -> None:
    """Cut off the server that leads the queue of jobs."""
    system = scene.system
    assert isinstance(system, Cluster)
    number = await _leader(system.state.nats_url)
    cut(system.network, number)
    try:
        await asyncio.sleep(_SECONDS)
    finally:
        heal(system.network, number)


async def _leader(url: str) -> int:
    bus = await Bus.connect(Settings(nats_url=url), "benchmark")
    try:
        info = await bus.client.jsm(timeout=5).stream_info(topology.JOBS)
        assert info.cluster is not None
        return int(str(info.cluster.leader).removeprefix("n"))
    finally:
        await bus.close()


FAULTS: Final = (
    Fault(
        "partition-server",
        f"of three NATS servers, the one that leads JOBS is cut off for {_SECONDS:g} s",
        partial(_partition, Network.cut_off, Network.join),
        _COPIES,
        cluster,
    ),
    Fault(
        "partition-peers",
        f"the one that leads JOBS and the other two do not hear each other for {_SECONDS:g} s; services hear all",
        partial(_partition, Network.divide, Network.unite),
        _COPIES,
        cluster,
    ),
)
